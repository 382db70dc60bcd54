// The search cell of NAS-Bench-201, forward and backward: 4 nodes, and on each of the 6 edges between them up to 5
// operations, `none`, `skip_connect`, `nor_conv_1x1`, `nor_conv_3x3` and `avg_pool_3x3`, each with a weight.
//
// Maps are laid out (channels, height, width, batch). A node's ReLU is made while it is read. 3 × 3 convolutions go by
// tiles (tiles.h) where the map is even and larger than 2 × 2, else directly (convolution.h).
//
// Order of summation. A node is a chain of multiply-adds, edge by edge, on each skip, pool, 1 × 1, 3 × 3. The gradient of a
// node is its skips' and pools', channel by channel, plus its convolutions'. Gradients of the operations' weights are
// summed up in lanes within a channel, then channel by channel.

#pragma once

#include "tiles.h"
#include "weight_gradient.h"

namespace {

constexpr int NODES = 4, EDGES = 6, OPERATIONS = 5;
constexpr int SKIP = 1, CONV1 = 2, CONV3 = 3, POOL = 4;
constexpr int SOURCE[EDGES] = {0, 0, 1, 0, 1, 2}, TARGET[EDGES] = {1, 2, 2, 3, 3, 3};
constexpr int RANK[EDGES] = {0, 1, 0, 2, 1, 0};  // of an edge among those that leave its source

// Memory from which pieces are taken one after the other; without a start it is measured only.
template <class T>
struct Space {
  T* start;
  int64_t taken = 0;
  T* take(int64_t numbers) {
    T* piece = start ? start + taken : nullptr;
    taken += (numbers + LANES<T> - 1) / LANES<T> * LANES<T>;
    return piece;
  }
};

// What a cell is given and what it gives.
template <class T>
struct Ends {
  const T* conv[2][NODES - 1];  // 1 × 1 and 3 × 3 weights of the edges that leave a node, one after the other
  T *input, *output;
};

template <class T>
struct Computation {
  Geometry one, three;  // of the 1 × 1 and 3 × 3 convolutions of a single edge
  const T* weights;     // (6, 5): the operations' weights in the mixture
  int64_t present;      // which of them are computed, bit 5 · edge + operation
  Ends<T> ends;
  // How far apart the channels of `convolved` and of their gradients are kept. Maps' sizes are powers of two; right behind
  // each other, the same pixel of all channels would fall into the same few places of every cache.
  int64_t apart = map() + 5 * LANES<T>;
  // What is left behind for the gradient; null where nothing computed needs it.
  T *node[NODES], *pooled[NODES - 1], *convolved[2][EDGES];
  T* statistics;  // mean and inverse deviation of what is convolved, (2 sizes, 6 edges, 2, channels)
  int64_t space;  // numbers that all this takes

  // shape: (channels, height, width, batch) of the input
  Computation(const int64_t* shape, const T* weights, int64_t present, const Ends<T>& ends, T* start)
      : one{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 1, 1},
        three{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 3, 1},
        weights(weights), present(present), ends(ends) {
    Space<T> free{start};
    auto take_if = [&](bool needed, int64_t numbers) { return needed ? free.take(numbers) : nullptr; };
    for (int i = 0; i < NODES - 1; ++i) {
      node[i] = i == 0 ? ends.input : take_if(leaves(i, SKIP) || leaves(i, POOL) || convolves(i), channels() * map());
      pooled[i] = take_if(leaves(i, POOL), channels() * map());
    }
    node[NODES - 1] = ends.output;
    for (int size = 0; size < 2; ++size)
      for (int e = 0; e < EDGES; ++e) convolved[size][e] = take_if(has(e, CONV1 + size), channels() * apart);
    statistics = free.take(2 * EDGES * 2 * channels());
    space = free.taken;
  }

  int64_t channels() const { return one.inputs; }
  int64_t height() const { return one.in_height; }
  int64_t width() const { return one.in_width; }
  int64_t batch() const { return one.batch; }
  int64_t map() const { return one.in_map(); }
  bool tiled() const { return has_tiles(height(), width()); }
  const Geometry& geometry(int size) const { return size ? three : one; }
  TileRow tile_row(int64_t row) const { return {2 * row, height(), width(), batch()}; }
  bool has(int edge, int operation) const { return present >> (edge * OPERATIONS + operation) & 1; }
  bool leaves(int node, int operation) const {
    for (int e = 0; e < EDGES; ++e)
      if (SOURCE[e] == node && has(e, operation)) return true;
    return false;
  }
  bool convolves(int node) const { return leaves(node, CONV1) || leaves(node, CONV3); }
  T weight(int edge, int operation) const { return weights[edge * OPERATIONS + operation]; }
  const T* kernel(int size, int e) const { return ends.conv[size][SOURCE[e]] + RANK[e] * geometry(size).weights(); }
  T* mean(int size, int e) const { return statistics + (size * EDGES + e) * 2 * channels(); }
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
      if (k.has(e, SKIP)) terms[count++] = {k.node[SOURCE[e]] + c * k.map(), k.weight(e, SKIP)};
      if (k.has(e, POOL)) terms[count++] = {k.pooled[SOURCE[e]] + c * k.map(), k.weight(e, POOL)};
      for (int size = 0; size < 2; ++size)
        if (k.has(e, CONV1 + size)) {
          T factor = k.weight(e, CONV1 + size) * k.inverse(size, e)[c];
          constant = fma(-factor, k.mean(size, e)[c], constant);
          terms[count++] = {k.convolved[size][e] + c * k.apart, factor};
        }
    }
    T* to = k.node[node] + c * k.map();
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

// All convolutions that leave a node, and the statistics of their outputs.
template <class T>
void convolve_node(const Computation<T>& k, int node) {
  auto convolutions = convolutions_leaving(k, node);
  int64_t count = convolutions.size(), channels = k.channels(), size_of_kernels = padded(channels) * channels;
  const T* x = k.node[node];
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
    std::vector<Convolution<T>> of_edges(count);
    for (int64_t i = 0; i < count; ++i) {
      auto [e, size] = convolutions[i];
      of_edges[i] = {size == 1, starts[i], k.convolved[size][e]};
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < rows; ++row)
      convolve_tiles(k.tile_row(row), maps, of_edges, channels, k.apart, &of_rows[row * count * channels]);
  } else {
#pragma omp parallel for schedule(dynamic)
    for (int64_t task = 0; task < rows * count; ++task) {
      int64_t row = task / count, i = task % count, numbers = k.map() / rows;
      auto [e, size] = convolutions[i];
      const Geometry& g = k.geometry(size);
      convolve_row<true>(x, k.map(), channels, starts[i], g.taps(), k.convolved[size][e], k.apart, row, k.width(),
                         k.batch(), channels, false, [&](int64_t y, int64_t x, Tap* taps) { return taps_of_output(g, y, x, taps); });
      for (int64_t c = 0; c < channels; ++c)  // while the row is in the cache
        of_rows[task * channels + c] = moments(k.convolved[size][e] + c * k.apart + row * numbers, numbers);
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
    if (T* pooled = k.pooled[node]) {
#pragma omp parallel for schedule(dynamic)
      for (int64_t c = 0; c < k.channels(); ++c)
        average_pool<false, false>(k.height(), k.width(), k.batch(), k.node[node] + c * k.map(), pooled + c * k.map());
    }
    convolve_node(k, node);
    if (k.node[node + 1]) mix(k, node + 1);
  }
}

// ---- Backward ----

// to = or += factor × from
template <class T>
void add_times(bool add, int64_t n, T factor, const T* from, T* to) {
  for_numbers<T>(
      n,
      [=](int64_t i) {
        Register<T> product = all(factor) * load(from + i);
        store(to + i, add ? fma(all(factor), load(from + i), load(to + i)) : product);
      },
      [=](int64_t i) { to[i] = add ? fma(factor, from[i], to[i]) : factor * from[i]; });
}

// The gradients of one channel of a node's skips and pools, of its convolutions' outputs, and of the weights of all these:
// dx, where there is a skip or pool, dconvolved(size, edge) and shares (6, 5), those of skip and pool only if `wanted`.
// `dnode` are the gradients of the nodes behind.
template <class T, class Gradient>
void gradients_of_edges(const Computation<T>& k, int node, int64_t c, T* const* dnode, Gradient dconvolved, T* dpooled,
                        T* shares, bool wanted) {
  int64_t n = k.map();
  bool skipped = false, pooled = false;
  T* dx = dnode[node] + c * n;
  for (int e = 0; e < EDGES; ++e) {
    if (SOURCE[e] != node) continue;
    const T* dy = dnode[TARGET[e]] + c * n;
    T* of_edge = shares + e * OPERATIONS;
    if (k.has(e, SKIP)) {
      if (wanted) of_edge[SKIP] = dot(dy, k.node[node] + c * n, n);
      add_times(skipped, n, k.weight(e, SKIP), dy, dx);
      skipped = true;
    }
    if (k.has(e, POOL)) {
      if (wanted) of_edge[POOL] = dot(dy, k.pooled[node] + c * n, n);
      add_times(pooled, n, k.weight(e, POOL), dy, dpooled + c * n);
      pooled = true;
    }
    for (int size = 0; size < 2; ++size) {
      if (!k.has(e, CONV1 + size)) continue;
      T unused;
      normalise_gradient(n, k.convolved[size][e] + c * k.apart, k.weight(e, CONV1 + size), k.mean(size, e)[c],
                         k.inverse(size, e)[c], dy, dconvolved(size, e) + c * k.apart, of_edge[CONV1 + size], unused);
    }
  }
  if (!pooled) return;
  (skipped ? average_pool<true, true, T> : average_pool<true, false, T>)(k.height(), k.width(), k.batch(), dpooled + c * n, dx);
}

// dx = or += the gradient that a node's convolutions pass on, where the node is positive.
template <class T, class Gradient>
void input_gradient_of_node(const Computation<T>& k, int node, const std::vector<EdgeConvolution>& convolutions,
                            Gradient dconvolved, bool add, T* dx) {
  int64_t channels = k.channels(), count = convolutions.size(), threes = count_3x3(convolutions), n = k.map();
  int64_t size_of_kernels = padded(channels) * channels;
  const T* x = k.node[node];
  T* kernels = work_space<T>(KERNELS, count * size_of_kernels * POSITIONS);
  if (k.tiled()) {
    T* point_kernels = kernels + threes * size_of_kernels * POSITIONS;
    std::vector<const T*> maps(count * channels);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; ++i) {
      auto [e, size] = convolutions[i];
      for (int64_t c = 0; c < channels; ++c) maps[i * channels + c] = dconvolved(size, e) + c * k.apart;
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
      (add ? input_gradient_of_tiles<true, T> : input_gradient_of_tiles<false, T>)(k.tile_row(row), sources, kernels,
                                                                                    point_kernels, channels, x, dx);
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
      convolve_row<false>(dconvolved(size, e), k.apart, channels, kernels + i * size_of_kernels * 9, g.taps(), dactive, n,
                          row, k.width(), k.batch(), channels, i > 0,
                          [&](int64_t y, int64_t x, Tap* taps) { return taps_of_input(g, y, x, taps); });
    }
    int64_t numbers = k.width() * k.batch();
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = c * n + row * numbers; i < c * n + (row + 1) * numbers; ++i)
        dx[i] = (add ? dx[i] : 0) + (x[i] > 0 ? dactive[i] : 0);
  }
}

// dx, the gradient of the input, `dconv` (as `conv`) and `dweights` (6, 5), these two null where not wanted, given dy.
template <class T>
void cell_backward(const Computation<T>& k, T* dy, T* dx, T* const (*dconv)[NODES - 1], T* dweights) {
  int64_t n = k.map(), channels = k.channels(), numbers = channels * k.apart;
  // Gradients of nodes 1 and 2, of a node's pool, and of up to three convolutions of either size.
  T* gradients = work_space<T>(GRADIENTS, numbers * (NODES - 2 + 1 + 2 * (NODES - 1)));
  T *dnode[NODES] = {dx, gradients, gradients + numbers, dy}, *dpooled = gradients + 2 * numbers;
  auto dconvolved = [=](int size, int e) { return dpooled + (1 + 2 * RANK[e] + size) * numbers; };
  std::vector<T> shares(EDGES * channels * OPERATIONS);
  for (int node = NODES - 2; node >= 0; --node) {
    if (!k.node[node]) continue;
#pragma omp parallel for schedule(dynamic)
    for (int64_t c = 0; c < channels; ++c)
      gradients_of_edges(k, node, c, dnode, dconvolved, dpooled, &shares[c * EDGES * OPERATIONS], dweights);
    auto convolutions = convolutions_leaving(k, node);
    bool begun = k.leaves(node, SKIP) || k.leaves(node, POOL);
    if (!convolutions.empty())
      input_gradient_of_node(k, node, convolutions, dconvolved, begun, dnode[node]);
    else if (!begun)  // a path that leads nowhere
      std::fill(dx, dx + channels * n, T(0));
    std::vector<WeightGradient<T>> wanted;
    for (auto [e, size] : convolutions)
      if (T* dw = dconv[size][node])
        wanted.push_back({k.geometry(size), dconvolved(size, e), k.apart, dw + RANK[e] * k.geometry(size).weights()});
    if (!wanted.empty()) weight_gradients<true>(wanted, k.node[node]);
  }
  for (int i = 0; i < EDGES * OPERATIONS; ++i) {
    int e = i / OPERATIONS, operation = i % OPERATIONS, size = operation - CONV1;
    if (dweights) {
      dweights[i] = 0;
      for (int64_t c = 0; c < channels && k.has(e, operation); ++c) dweights[i] += shares[c * EDGES * OPERATIONS + i];
    }
    if (size < 0 || size > 1 || k.has(e, operation)) continue;
    int64_t count = k.geometry(size).weights();
    if (T* dw = dconv[size][SOURCE[e]]) std::fill(dw + RANK[e] * count, dw + (RANK[e] + 1) * count, T(0));
  }
}

}  // namespace
