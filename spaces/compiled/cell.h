// The search cell of NAS-Bench-201, forward and backward: 4 nodes, and on each of the 6 edges between them up to 5
// operations, `none`, `skip_connect`, `nor_conv_1x1`, `nor_conv_3x3` and `avg_pool_3x3`, each with a weight.
//
// Maps are laid out (channels, height, width, batch). A node's ReLU is made while it is read. 3 × 3 convolutions go by
// tiles (winograd.h) where the map is even and larger than 2 × 2, else directly (convolution.h).
//
// Order of summation. A node is a chain of multiply-adds, edge by edge, on each skip, pool, 1 × 1, 3 × 3. The gradient of a
// node is its skips' and pools', channel by channel, plus its convolutions'. Gradients of the operations' weights are
// summed up in lanes within a channel, then channel by channel.

#pragma once

#include "weight_gradient.h"

namespace {

constexpr int NODES = 4, EDGES = 6, OPERATIONS = 5;
constexpr int SKIP = 1, CONV1 = 2, CONV3 = 3, POOL = 4;
constexpr int SOURCE[EDGES] = {0, 0, 1, 0, 1, 2}, TARGET[EDGES] = {1, 2, 2, 3, 3, 3};
constexpr int RANK[EDGES] = {0, 1, 0, 2, 1, 0};  // of an edge among those that leave its source

// What a cell is computed of and leaves behind for its gradient; null where nothing computed needs it.
template <class T>
struct Cell {
  const T* conv[2][NODES - 1];  // 1 × 1 and 3 × 3 weights of the edges that leave a node, one after the other
  T* node[NODES];               // node[0] is the input
  T* pooled[NODES - 1];         // average pool of a node
  T* convolved[2][NODES - 1];   // the convolutions' outputs, laid out as their weights, channels `apart`
  T* statistics;                // mean and inverse deviation of those outputs, (2 sizes, 6 edges, 2, channels)
};

template <class T>
struct Computation {
  Geometry one, three;     // of the 1 × 1 and 3 × 3 convolutions of a single edge
  const T* weights;        // (6, 5): the operations' weights in the mixture
  const uint8_t* present;  // (6, 5): which of them are computed
  Cell<T> cell;

  Computation(const int64_t* shape, const T* weights, const uint8_t* present, void* const* tensors)
      : one{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 1, 1},
        three{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 3, 1},
        weights(weights), present(present), cell(*reinterpret_cast<const Cell<T>*>(tensors)) {}

  int64_t channels() const { return one.inputs; }
  int64_t height() const { return one.in_height; }
  int64_t width() const { return one.in_width; }
  int64_t batch() const { return one.batch; }
  int64_t map() const { return one.in_map(); }
  // How far apart the channels of `convolved` and their gradients are kept. Maps' sizes are powers of two; right behind each
  // other, the same pixel of all channels would fall into the same few places of every cache.
  int64_t apart() const { return map() + 5 * LANES<T>; }
  bool tiled() const { return has_tiles(height(), width()); }
  const Geometry& geometry(int size) const { return size ? three : one; }
  bool has(int edge, int operation) const { return present[edge * OPERATIONS + operation]; }
  T weight(int edge, int operation) const { return weights[edge * OPERATIONS + operation]; }
  const T* kernel(int size, int e) const { return cell.conv[size][SOURCE[e]] + RANK[e] * geometry(size).weights(); }
  T* convolved(int size, int e) const { return cell.convolved[size][SOURCE[e]] + RANK[e] * channels() * apart(); }
  T* mean(int size, int e) const { return cell.statistics + (size * EDGES + e) * 2 * channels(); }
  T* inverse(int size, int e) const { return mean(size, e) + channels(); }
};

// A convolution of one edge; size 1 is 3 × 3.
struct EdgeConvolution {
  int edge, size;
};

// The convolutions on the edges that leave a node, the 3 × 3 first.
template <class T>
std::vector<EdgeConvolution> convolutions_leaving(const Computation<T>& k, int node) {
  std::vector<EdgeConvolution> found;
  for (int size : {1, 0})
    for (int e = 0; e < EDGES; ++e)
      if (SOURCE[e] == node && k.has(e, CONV1 + size)) found.push_back({e, size});
  return found;
}

inline int64_t count_3x3(const std::vector<EdgeConvolution>& convolutions) {
  return std::count_if(convolutions.begin(), convolutions.end(), [](auto c) { return c.size == 1; });
}

// ---- Forward ----

// One summand of a node: factor × map.
template <class T>
struct Term {
  const T* map;
  T factor;
};

// A node is Σ over its incoming edges and their operations of weight × operation(source); written once.
template <class T>
void mix(const Computation<T>& k, int node) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t c = 0; c < k.channels(); ++c) {
    Term<T> terms[(OPERATIONS - 1) * (NODES - 1)];
    int count = 0;
    T constant = 0;
    for (int e = 0; e < EDGES; ++e) {
      if (TARGET[e] != node) continue;
      if (k.has(e, SKIP)) terms[count++] = {k.cell.node[SOURCE[e]] + c * k.map(), k.weight(e, SKIP)};
      if (k.has(e, POOL)) terms[count++] = {k.cell.pooled[SOURCE[e]] + c * k.map(), k.weight(e, POOL)};
      for (int size = 0; size < 2; ++size)
        if (k.has(e, CONV1 + size)) {
          T factor = k.weight(e, CONV1 + size) * k.inverse(size, e)[c];
          constant = fma(-factor, k.mean(size, e)[c], constant);
          terms[count++] = {k.convolved(size, e) + c * k.apart(), factor};
        }
    }
    T* to = k.cell.node[node] + c * k.map();
    for_numbers<T>(
        k.map(),
        [&](int64_t i) {
          Register<T> sum = all(constant);
          for (int t = 0; t < count; ++t) sum = fma(all(terms[t].factor), load(terms[t].map + i), sum);
          store(to + i, sum);
        },
        [&](int64_t i) {
          T sum = constant;
          for (int t = 0; t < count; ++t) sum = fma(terms[t].factor, terms[t].map[i], sum);
          to[i] = sum;
        });
  }
}

// A row of tiles of all convolutions that leave a node, and the moments of their channels in it.
template <class T>
void convolve_tiles(const Computation<T>& k, const std::vector<EdgeConvolution>& convolutions,
                    const std::vector<T*>& kernels, const std::vector<const T*>& x, int64_t row, Moments<T>* of_row) {
  int64_t channels = k.channels(), threes = count_3x3(convolutions), ones = convolutions.size() - threes;
  T* tiles = work_space<T>(TILES, POSITIONS * channels * GROUP<T>);
  T* points = work_space<T>(POINTS, CORNERS * channels * GROUP<T>);
  T* products = work_space<T>(PRODUCTS, POSITIONS * 8 * GROUP<T>);
  auto* gathered =
      reinterpret_cast<Gathered<T>*>(work_space<T>(MOMENTS, convolutions.size() * channels * 3 * LANES<T>));
  Sources<T> sources{x.data(), threes ? channels : 0, x.data(), ones ? channels : 0};
  TileRow tile_row{2 * row, k.height(), k.width(), k.batch()};
  tile_row.for_groups<T>([&](int64_t column, int64_t b, int64_t images) {
    sources.template read<true>(tile_row, column, b, images, tiles, points);
    for (size_t i = 0; i < convolutions.size(); ++i) {
      const int e = convolutions[i].edge, size = convolutions[i].size;
      T* map = k.convolved(size, e) + b;
      const T* kernel = kernels[i];
      for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
        constexpr int ROWS = at_once;
        int positions = size ? POSITIONS : CORNERS;
        int64_t numbers = channels * ROWS;
        for (int64_t r = 0; r < valid; ++r)  // the outputs lie far apart; without this, writing them would wait
          for (int corner = 0; corner < CORNERS; ++corner)
            prefetch(map + (first + r) * k.apart() + tile_row.pixel(column, corner), GROUP<T>);
        multiply_positions<ROWS>(positions, channels, kernel, size ? numbers : 0, size ? tiles : points, products);
        kernel += size ? positions * numbers : numbers;
        for (int64_t r = 0; r < valid; ++r) {
          T* channel = map + (first + r) * k.apart();
          Gathered<T>& of_channel = gathered[i * channels + first + r];
          for (int64_t at = 0; at < std::min(GROUP<T>, images); at += WIDTH<T>) {
            Register<T> y[CORNERS];
            const T* product = products + r * GROUP<T> + at;
            if (size)
              transform_back(product, ROWS * GROUP<T>, y);
            else
              for (int corner = 0; corner < CORNERS; ++corner) y[corner] = load(product + corner * ROWS * GROUP<T>);
            of_channel.add(y, (b + at) % LANES<T>, images - at, column == 0 && b + at < LANES<T>);
            for (int corner = 0; corner < CORNERS; ++corner)
              store_some(channel + tile_row.pixel(column, corner) + at, y[corner], images - at);
          }
        }
      });
    }
  });
  for (size_t i = 0; i < convolutions.size() * channels; ++i) of_row[i] = gathered[i].moments(2 * k.width(), k.batch());
}

// All convolutions that leave a node, and the statistics of their outputs.
template <class T>
void convolve_node(const Computation<T>& k, int node) {
  auto convolutions = convolutions_leaving(k, node);
  int64_t count = convolutions.size(), channels = k.channels(), size_of_kernels = padded(channels) * channels;
  const T* x = k.cell.node[node];
  bool tiled = k.tiled();
  int64_t rows = tiled ? k.height() / 2 : k.height();
  T* kernels = work_space<T>(KERNELS, count * size_of_kernels * POSITIONS);
  std::vector<T*> starts(count);
  for (int64_t i = 0, at = 0; i < count; ++i) {
    starts[i] = kernels + at;
    at += (convolutions[i].size ? tiled ? POSITIONS : 9 : 1) * size_of_kernels;
  }
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < count; ++i) {
    auto [e, size] = convolutions[i];
    int64_t taps = size ? 9 : 1;
    if (size && tiled)
      transform_kernels(k.kernel(size, e), channels, channels, channels * taps, taps, false, starts[i], 0, channels);
    else
      pack(k.kernel(size, e), channels, channels, taps, channels * taps, taps, starts[i], 0, channels);
  }
  std::vector<Moments<T>> of_rows(rows * count * channels);
  if (tiled) {
    std::vector<const T*> maps(channels);
    for (int64_t c = 0; c < channels; ++c) maps[c] = x + c * k.map();
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < rows; ++row)
      convolve_tiles(k, convolutions, starts, maps, row, &of_rows[row * count * channels]);
  } else {
#pragma omp parallel for schedule(dynamic)
    for (int64_t task = 0; task < rows * count; ++task) {
      int64_t row = task / count, i = task % count, numbers = k.map() / rows;
      auto [e, size] = convolutions[i];
      const Geometry& g = k.geometry(size);
      convolve_row<true>(x, k.map(), channels, starts[i], g.taps(), k.convolved(size, e), k.apart(), row, k.width(),
                         k.batch(), channels, false, [&](int64_t y, int64_t x, Tap* taps) { return taps_of_output(g, y, x, taps); });
      for (int64_t c = 0; c < channels; ++c)  // while the row is in the cache
        of_rows[task * channels + c] = moments(k.convolved(size, e) + c * k.apart() + row * numbers, numbers);
    }
  }
  for (int64_t i = 0; i < count * channels; ++i) {
    auto [e, size] = convolutions[i / channels];
    int64_t c = i % channels;
    statistics(&of_rows[i], count * channels, rows, k.map() / rows, k.mean(size, e)[c], k.inverse(size, e)[c]);
  }
}

template <class T>
void cell_forward(const Computation<T>& k) {
  for (int node = 0; node < NODES - 1; ++node) {
    if (T* pooled = k.cell.pooled[node]) {
#pragma omp parallel for schedule(dynamic)
      for (int64_t c = 0; c < k.channels(); ++c)
        average_pool(k.height(), k.width(), k.batch(), k.cell.node[node] + c * k.map(), pooled + c * k.map(), false);
    }
    convolve_node(k, node);
    if (k.cell.node[node + 1]) mix(k, node + 1);
  }
}

// ---- Backward ----

// The gradient that an edge passes on, one channel of it: `dx` and `dpooled` += those of its source and its average pool,
// `dconvolved` = those of its convolutions' outputs. `shares` are the channel's in the gradients of the edge's weights,
// those of skip and pool only if `wanted`.
template <class T>
void edge_gradient(const Computation<T>& k, int e, int64_t c, const T* dy, T* dx, T* dpooled, T* const* dconvolved,
                   T* shares, bool wanted) {
  int64_t n = k.map();
  for (int operation : {SKIP, POOL}) {
    if (!k.has(e, operation)) continue;
    const T* from = (operation == SKIP ? k.cell.node : k.cell.pooled)[SOURCE[e]] + c * n;
    T *to = operation == SKIP ? dx : dpooled, weight = k.weight(e, operation);
    if (wanted) shares[operation] = dot(dy, from, n);
    for_numbers<T>(
        n, [=](int64_t i) { store(to + i, fma(all(weight), load(dy + i), load(to + i))); },
        [=](int64_t i) { to[i] = fma(weight, dy[i], to[i]); });
  }
  for (int size = 0; size < 2; ++size) {
    if (!k.has(e, CONV1 + size)) continue;
    T unused;
    normalise_gradient(n, k.convolved(size, e) + c * k.apart(), k.weight(e, CONV1 + size), k.mean(size, e)[c],
                       k.inverse(size, e)[c], dy, dconvolved[size], shares[CONV1 + size], unused);
  }
}

// dx += the gradient that a node's convolutions pass on, where the node is positive: a row of tiles.
template <class T>
void input_gradient_of_tiles(const Computation<T>& k, const Sources<T>& sources, const T* kernels, const T* point_kernels,
                             int64_t row, const T* x, T* dx) {
  T* tiles = work_space<T>(TILES, POSITIONS * sources.tile_count * GROUP<T>);
  T* points = work_space<T>(POINTS, CORNERS * sources.point_count * GROUP<T>);
  T* products = work_space<T>(PRODUCTS, (POSITIONS + CORNERS) * 8 * GROUP<T>);
  TileRow tile_row{2 * row, k.height(), k.width(), k.batch()};
  tile_row.for_groups<T>([&](int64_t column, int64_t b, int64_t images) {
    sources.template read<false>(tile_row, column, b, images, tiles, points);
    for_blocks(k.channels(), [&](auto at_once, int64_t first, int64_t valid) {
      constexpr int ROWS = at_once;
      T* of_points = products + POSITIONS * ROWS * GROUP<T>;
      for (int64_t r = 0; r < valid; ++r)
        for (int corner = 0; corner < CORNERS; ++corner) {
          int64_t pixel = (first + r) * k.map() + tile_row.pixel(column, corner) + b;
          prefetch(x + pixel, GROUP<T>), prefetch(dx + pixel, GROUP<T>);
        }
      multiply_positions<ROWS>(sources.tile_count ? POSITIONS : 0, sources.tile_count,
                               kernels + first * POSITIONS * sources.tile_count, ROWS * sources.tile_count, tiles,
                               products);
      multiply_positions<ROWS>(sources.point_count ? CORNERS : 0, sources.point_count,
                               point_kernels + first * sources.point_count, 0, points, of_points);
      for (int64_t r = 0; r < valid; ++r)
        for (int64_t at = 0; at < std::min(GROUP<T>, images); at += WIDTH<T>) {
          Register<T> gradient[CORNERS] = {};
          if (sources.tile_count) transform_back(products + r * GROUP<T> + at, ROWS * GROUP<T>, gradient);
          for (int corner = 0; corner < CORNERS; ++corner) {
            if (sources.point_count) gradient[corner] += load(of_points + (corner * ROWS + r) * GROUP<T> + at);
            int64_t pixel = (first + r) * k.map() + tile_row.pixel(column, corner) + b + at;
            Register<T> positive = load_some(x + pixel, images - at), before = load_some(dx + pixel, images - at);
            store_some(dx + pixel, before + (positive > 0 ? gradient[corner] : Register<T>{}), images - at);
          }
        }
    });
  });
}

// dx += the gradient that a node's convolutions pass on, where the node is positive.
template <class T, class Gradient>
void input_gradient_of_node(const Computation<T>& k, int node, const std::vector<EdgeConvolution>& convolutions,
                            Gradient dconvolved, T* dx) {
  int64_t channels = k.channels(), count = convolutions.size(), threes = count_3x3(convolutions), n = k.map();
  int64_t size_of_kernels = padded(channels) * channels;
  const T* x = k.cell.node[node];
  T* kernels = work_space<T>(KERNELS, count * size_of_kernels * POSITIONS);
  if (k.tiled()) {
    T* point_kernels = kernels + threes * size_of_kernels * POSITIONS;
    std::vector<const T*> maps(count * channels);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; ++i) {
      auto [e, size] = convolutions[i];
      for (int64_t c = 0; c < channels; ++c) maps[i * channels + c] = dconvolved(size, e) + c * k.apart();
      if (size)
        transform_kernels(k.kernel(size, e), channels, channels, int64_t(9), channels * 9, true, kernels, i * channels,
                          threes * channels);
      else
        pack(k.kernel(size, e), channels, channels, int64_t(1), int64_t(1), channels, point_kernels, (i - threes) * channels,
             (count - threes) * channels);
    }
    Sources<T> sources{maps.data(), threes * channels, maps.data() + threes * channels, (count - threes) * channels};
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < k.height() / 2; ++row)
      input_gradient_of_tiles(k, sources, kernels, point_kernels, row, x, dx);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    auto [e, size] = convolutions[i];
    int64_t taps = k.geometry(size).taps();
    pack(k.kernel(size, e), channels, channels, taps, taps, channels * taps, kernels + i * size_of_kernels * 9, 0, channels);
  }
  T* dactive = work_space<T>(TILES, channels * n);
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < k.height(); ++row) {
    for (int64_t i = 0; i < count; ++i) {
      auto [e, size] = convolutions[i];
      const Geometry& g = k.geometry(size);
      convolve_row<false>(dconvolved(size, e), k.apart(), channels, kernels + i * size_of_kernels * 9, g.taps(), dactive, n,
                          row, k.width(), k.batch(), channels, i > 0,
                          [&](int64_t y, int64_t x, Tap* taps) { return taps_of_input(g, y, x, taps); });
    }
    int64_t numbers = k.width() * k.batch();
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = c * n + row * numbers; i < c * n + (row + 1) * numbers; ++i) dx[i] += x[i] > 0 ? dactive[i] : 0;
  }
}

// `dnode[3]` is given; the others, `dconv` (as `conv`) and `dweights` (6, 5) are made, these two null where not wanted.
template <class T>
void cell_backward(const Computation<T>& k, T* const* dnode, T* const* dconv, T* dweights) {
  const Cell<T>& cell = k.cell;
  int64_t n = k.map(), channels = k.channels(), numbers = channels * k.apart();
  // Gradients of a node's pool, and of up to three convolutions of either size.
  T* dpooled = work_space<T>(GRADIENTS, numbers * (1 + 2 * (NODES - 1)));
  auto dconvolved = [=](int size, int e) { return dpooled + (1 + 2 * RANK[e] + size) * numbers; };
  std::vector<T> shares(EDGES * channels * OPERATIONS);
  for (int node = NODES - 2; node >= 0; --node) {
    if (!dnode[node]) continue;
    T* dx = dnode[node];
#pragma omp parallel for schedule(dynamic)
    for (int64_t c = 0; c < channels; ++c) {
      std::fill(dx + c * n, dx + (c + 1) * n, T(0));
      if (cell.pooled[node]) std::fill(dpooled + c * n, dpooled + (c + 1) * n, T(0));
      for (int e = 0; e < EDGES; ++e) {
        if (SOURCE[e] != node || !dnode[TARGET[e]]) continue;
        T* const of_convolutions[2] = {dconvolved(0, e) + c * k.apart(), dconvolved(1, e) + c * k.apart()};
        edge_gradient(k, e, c, dnode[TARGET[e]] + c * n, dx + c * n, dpooled + c * n, of_convolutions,
                      &shares[(e * channels + c) * OPERATIONS], dweights);
      }
      if (cell.pooled[node]) average_pool(k.height(), k.width(), k.batch(), dpooled + c * n, dx + c * n, true);
    }
    auto convolutions = convolutions_leaving(k, node);
    if (convolutions.empty()) continue;
    input_gradient_of_node(k, node, convolutions, dconvolved, dx);
    std::vector<WeightGradient<T>> wanted;
    for (auto [e, size] : convolutions)
      if (T* dw = dconv[size * (NODES - 1) + node])
        wanted.push_back({k.geometry(size), dconvolved(size, e), k.apart(), dw + RANK[e] * k.geometry(size).weights()});
    if (!wanted.empty()) weight_gradients<true>(wanted, cell.node[node]);
  }
  for (int i = 0; dweights && i < EDGES * OPERATIONS; ++i) {
    dweights[i] = 0;
    for (int64_t c = 0; c < channels; ++c)
      if (k.present[i]) dweights[i] += shares[(i / OPERATIONS * channels + c) * OPERATIONS + i % OPERATIONS];
  }
}

}  // namespace
