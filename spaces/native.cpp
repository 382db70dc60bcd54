// The layers of the supernet on a CPU: convolutions, batch normalisation and the whole search cell, forward and backward.
//
// Feature maps are laid out (channels, height, width, batch). With the images of a batch side by side, a vector
// register holds one pixel of many images, so that every loop vectorises whatever the channels and the image size, and
// the border needs no padding. Each sum is made by one thread in a fixed order, so that results do not depend on the
// number of threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace {

// Keeps a vector that is used several times in its register; else GCC loads it from memory each time.
#ifdef __AVX512F__
constexpr int BYTES = 64;
#define IN_REGISTER(vector) asm("" : "+v"(vector))
#else
constexpr int BYTES = 32;
#define IN_REGISTER(vector)
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class V, class T>
inline V load(const T* from) { return *reinterpret_cast<const V*>(from); }
template <class V, class T>
inline void store(T* to, V value) { *reinterpret_cast<V*>(to) = value; }

template <class V, class T>
constexpr int lanes = sizeof(V) / sizeof(T);

template <class T>
inline T total(T value) { return value; }
template <class T>
inline T total(Vector<T> vector) {
  T sum = 0;
  for (int lane = 0; lane < int(BYTES / sizeof(T)); ++lane) sum += vector[lane];
  return sum;
}

// Calls work(V{}, vectors, b) for the stretches of a batch: 4 vectors at once, then single ones, then single images.
template <class T, class Work>
inline void along_batch(int64_t batch, Work work) {
  constexpr int64_t LANES = BYTES / sizeof(T);
  int64_t b = 0;
  for (; b + 4 * LANES <= batch; b += 4 * LANES) work(Vector<T>{}, std::integral_constant<int, 4>{}, b);
  for (; b + LANES <= batch; b += LANES) work(Vector<T>{}, std::integral_constant<int, 1>{}, b);
  for (; b < batch; ++b) work(T{}, std::integral_constant<int, 1>{}, b);
}

// ---- Convolutions: k × k, zero padding of k / 2 ----

struct Geometry {
  int64_t batch, inputs, in_height, in_width, outputs, out_height, out_width, kernel, stride;
  int64_t in_map() const { return in_height * in_width * batch; }
  int64_t out_map() const { return out_height * out_width * batch; }
};

// One term of a convolution at one pixel: where its source pixel begins, and which of the k · k weights it takes.
struct Tap {
  int64_t source, weight;
};

int taps_of_output(const Geometry& g, int64_t row, int64_t column, Tap* taps) {
  int count = 0;
  for (int64_t i = 0; i < g.kernel; ++i)
    for (int64_t j = 0; j < g.kernel; ++j) {
      int64_t y = row * g.stride + i - g.kernel / 2, x = column * g.stride + j - g.kernel / 2;
      if (y >= 0 && y < g.in_height && x >= 0 && x < g.in_width)
        taps[count++] = {(y * g.in_width + x) * g.batch, i * g.kernel + j};
    }
  return count;
}

int taps_of_input(const Geometry& g, int64_t row, int64_t column, Tap* taps) {
  int count = 0;
  for (int64_t i = 0; i < g.kernel; ++i)
    for (int64_t j = 0; j < g.kernel; ++j) {
      int64_t y = row - i + g.kernel / 2, x = column - j + g.kernel / 2;
      if (y < 0 || x < 0 || y % g.stride || x % g.stride) continue;
      y /= g.stride, x /= g.stride;
      if (y < g.out_height && x < g.out_width) taps[count++] = {(y * g.out_width + x) * g.batch, i * g.kernel + j};
    }
  return count;
}

// to[channel][lane] = or += Σ over sources and taps of weight × from, for CHANNELS channels, kept in registers.
template <int CHANNELS, class T, class V, int VECTORS>
inline void convolve_block(const T* from, int64_t from_map, int64_t sources, const T* weights, int64_t channel_stride,
                           int64_t source_stride, const Tap* taps, int count, T* to, int64_t to_map, bool add) {
  constexpr int LANES = sizeof(V) / sizeof(T);
  V sum[CHANNELS][VECTORS];
  for (int c = 0; c < CHANNELS; ++c)
    for (int v = 0; v < VECTORS; ++v) sum[c][v] = add ? load<V>(to + c * to_map + v * LANES) : V{};
  for (int64_t s = 0; s < sources; ++s)
    for (int t = 0; t < count; ++t) {
      const T* pixel = from + s * from_map + taps[t].source;
      const T* weight = weights + s * source_stride + taps[t].weight;
      V pixels[VECTORS];
      for (int v = 0; v < VECTORS; ++v) pixels[v] = load<V>(pixel + v * LANES);
      for (int c = 0; c < CHANNELS; ++c)
        for (int v = 0; v < VECTORS; ++v) sum[c][v] += weight[c * channel_stride] * pixels[v];
    }
  for (int c = 0; c < CHANNELS; ++c)
    for (int v = 0; v < VECTORS; ++v) store<V>(to + c * to_map + v * LANES, sum[c][v]);
}

// One row of a convolution of `sources` maps into `channels` maps, where taps_at says which pixels meet.
template <class T, class Taps>
void convolve_row(const T* from, int64_t from_map, int64_t sources, const T* weights, int64_t channel_stride,
                  int64_t source_stride, T* to, int64_t to_map, int64_t row, int64_t width, int64_t batch,
                  int64_t channels, bool add, Taps taps_at) {
  for (int64_t column = 0; column < width; ++column) {
    Tap taps[9];
    int count = taps_at(row, column, taps);
    T* pixel = to + (row * width + column) * batch;
    along_batch<T>(batch, [&](auto vector, auto vectors, int64_t b) {
      typedef decltype(vector) V;
      int64_t c = 0;
      for (; c + 4 <= channels; c += 4)
        convolve_block<4, T, V, vectors>(from + b, from_map, sources, weights + c * channel_stride, channel_stride,
                                         source_stride, taps, count, pixel + c * to_map + b, to_map, add);
      for (; c < channels; ++c)
        convolve_block<1, T, V, vectors>(from + b, from_map, sources, weights + c * channel_stride, channel_stride,
                                         source_stride, taps, count, pixel + c * to_map + b, to_map, add);
    });
  }
}

// A row of y (outputs, H′, W′, B), the convolution of x (inputs, H, W, B) by w (outputs, inputs, k, k).
template <class T>
void convolution(const Geometry& g, const T* x, const T* w, T* y, int64_t row) {
  int64_t k2 = g.kernel * g.kernel;
  convolve_row(x, g.in_map(), g.inputs, w, g.inputs * k2, k2, y, g.out_map(), row, g.out_width, g.batch, g.outputs, false,
               [&](int64_t y, int64_t x, Tap* taps) { return taps_of_output(g, y, x, taps); });
}

// A row of dx = or += the gradient of the input, given dy, the output's.
template <class T>
void input_gradient(const Geometry& g, const T* dy, const T* w, T* dx, int64_t row, bool add) {
  int64_t k2 = g.kernel * g.kernel;
  convolve_row(dy, g.out_map(), g.outputs, w, k2, g.inputs * k2, dx, g.in_map(), row, g.in_width, g.batch, g.inputs, add,
               [&](int64_t y, int64_t x, Tap* taps) { return taps_of_input(g, y, x, taps); });
}

// sum[a][b] += dy of output a × x of input b, over one pixel of `images` images.
template <class T, class V, int OUTPUTS, int INPUTS>
inline void add_products(const T* dy, int64_t dy_map, const T* x, int64_t x_map, int64_t images, V (&sum)[OUTPUTS][INPUTS]) {
  constexpr int LANES = sizeof(V) / sizeof(T);
  for (int64_t at = 0; at < images; at += LANES) {
    V pixels[INPUTS];
    for (int b = 0; b < INPUTS; ++b) {
      pixels[b] = load<V>(x + b * x_map + at);
      IN_REGISTER(pixels[b]);
    }
    for (int a = 0; a < OUTPUTS; ++a) {
      V gradient = load<V>(dy + a * dy_map + at);
      IN_REGISTER(gradient);
      for (int b = 0; b < INPUTS; ++b) sum[a][b] += gradient * pixels[b];
    }
  }
}

// The gradient of the weights from INPUTS inputs to OUTPUTS outputs. Stretches of 16 pixels stay in the nearest caches
// while all taps pass over them.
template <int OUTPUTS, int INPUTS, class T>
void weight_gradient_block(const Geometry& g, const T* dy, const T* x, T* dw) {
  typedef Vector<T> V;
  constexpr int64_t STRETCH = 16, LANES = BYTES / sizeof(T);
  int64_t k = g.kernel, whole = g.batch / LANES * LANES;
  V sums[9][OUTPUTS][INPUTS] = {};
  T rests[9][OUTPUTS][INPUTS] = {};
  for (int64_t row = 0; row < g.out_height; ++row)
    for (int64_t start = 0; start < g.out_width; start += STRETCH)
      for (int64_t tap = 0; tap < k * k; ++tap) {
        int64_t y = row * g.stride + tap / k - k / 2;
        if (y < 0 || y >= g.in_height) continue;
        V sum[OUTPUTS][INPUTS];
        std::copy(&sums[tap][0][0], &sums[tap][0][0] + OUTPUTS * INPUTS, &sum[0][0]);
        for (int64_t column = start; column < std::min(start + STRETCH, g.out_width); ++column) {
          int64_t source = column * g.stride + tap % k - k / 2;
          if (source < 0 || source >= g.in_width) continue;
          const T* of_dy = dy + (row * g.out_width + column) * g.batch;
          const T* of_x = x + (y * g.in_width + source) * g.batch;
          add_products<T, V>(of_dy, g.out_map(), of_x, g.in_map(), whole, sum);
          if (whole < g.batch)
            add_products<T, T>(of_dy + whole, g.out_map(), of_x + whole, g.in_map(), g.batch - whole, rests[tap]);
        }
        std::copy(&sum[0][0], &sum[0][0] + OUTPUTS * INPUTS, &sums[tap][0][0]);
      }
  for (int64_t tap = 0; tap < k * k; ++tap)
    for (int a = 0; a < OUTPUTS; ++a)
      for (int b = 0; b < INPUTS; ++b)
        dw[(a * g.inputs + b) * k * k + tap] = total<T>(sums[tap][a][b]) + rests[tap][a][b];
}

// Blocks of weights whose gradients are independent of each other.
inline int64_t weight_blocks(const Geometry& g) { return (g.outputs + 3) / 4 * ((g.inputs + 3) / 4); }

// One block of dw (outputs, inputs, k, k), the gradient of the weights.
template <class T>
void weight_gradient(const Geometry& g, const T* dy, const T* x, T* dw, int64_t block) {
  int64_t across = (g.inputs + 3) / 4, a = block / across * 4, b = block % across * 4, k2 = g.kernel * g.kernel;
  if (a + 4 <= g.outputs && b + 4 <= g.inputs) {
    weight_gradient_block<4, 4>(g, dy + a * g.out_map(), x + b * g.in_map(), dw + (a * g.inputs + b) * k2);
    return;
  }
  for (int64_t c = a; c < std::min(a + 4, g.outputs); ++c)
    for (int64_t d = b; d < std::min(b + 4, g.inputs); ++d)
      weight_gradient_block<1, 1>(g, dy + c * g.out_map(), x + d * g.in_map(), dw + (c * g.inputs + d) * k2);
}

// ---- Batch normalisation by the batch's own statistics ----

constexpr double EPSILON = 1e-5;

// Sum of term(0), term(1), … term(n - 1), as four sums at once, so that none waits for its last addition.
template <class T, class Term>
inline T sum_of(int64_t n, Term term) {
  T a = 0, b = 0, c = 0, d = 0;
  int64_t quarter = n / 4;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < quarter; ++i) {
    a += term(i);
    b += term(i + quarter);
    c += term(i + 2 * quarter);
    d += term(i + 3 * quarter);
  }
  for (int64_t i = 4 * quarter; i < n; ++i) a += term(i);
  return (a + b) + (c + d);
}

// Mean of some numbers, and the sum of their squared distances from it.
template <class T>
struct Moments {
  T mean, squares;
};

template <class T>
Moments<T> moments(const T* x, int64_t n) {
  T mean = sum_of<T>(n, [=](int64_t i) { return x[i]; }) / T(n);
  return {mean, sum_of<T>(n, [=](int64_t i) { return (x[i] - mean) * (x[i] - mean); })};
}

// Mean and 1 / √(variance + ε) of a channel, from the moments of its parts, `stride` apart, each of n numbers.
template <class T>
void statistics(const Moments<T>* parts, int64_t stride, int64_t count, int64_t n, T& mean, T& inverse) {
  mean = 0;
  for (int64_t i = 0; i < count; ++i) mean += parts[i * stride].mean / T(count);
  T variance = 0;
  for (int64_t i = 0; i < count; ++i) {
    T away = parts[i * stride].mean - mean;
    variance += (parts[i * stride].squares / T(n) + away * away) / T(count);
  }
  inverse = 1 / std::sqrt(variance + T(EPSILON));
}

// y = (x - mean) · inverse · scale + shift, channel by channel of n numbers.
template <class T>
void normalise(int64_t channels, int64_t n, const T* x, const T* scale, const T* shift, T* y, T* mean, T* inverse) {
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c) {
    Moments<T> whole = moments(x + c * n, n);
    statistics(&whole, 1, 1, n, mean[c], inverse[c]);
    T factor = inverse[c] * scale[c], m = mean[c], constant = shift[c];
    for (int64_t i = c * n; i < (c + 1) * n; ++i) y[i] = (x[i] - m) * factor + constant;
  }
}

// One channel's gradients of x, scale and shift. The statistics depend on x, so the parts of dy along 1 and x are taken
// out of dx.
template <class T>
void normalise_gradient(int64_t n, const T* x, T scale, T mean, T inverse, const T* dy, T* dx, T& dscale, T& dshift) {
  dshift = sum_of<T>(n, [=](int64_t i) { return dy[i]; });
  dscale = inverse * sum_of<T>(n, [=](int64_t i) { return dy[i] * (x[i] - mean); });
  T along_one = dshift / T(n), along_x = dscale * inverse / T(n), factor = scale * inverse;
  for (int64_t i = 0; i < n; ++i) dx[i] = (dy[i] - along_one - (x[i] - mean) * along_x) * factor;
}

// ---- Average pooling, 3 × 3, over the neighbours inside the image ----

inline int64_t inside(int64_t at, int64_t size) { return std::min(at + 2, size) - std::max<int64_t>(at - 1, 0); }

// One channel: y = the means of x; or, `transposed`, y += the gradient of x, given the means' x.
template <class T>
void average_pool(int64_t height, int64_t width, int64_t batch, const T* x, T* y, bool transposed) {
  for (int64_t row = 0; row < height; ++row)
    for (int64_t column = 0; column < width; ++column) {
      const T* taps[9];
      T shares[9];
      int count = 0;
      for (int64_t i = std::max<int64_t>(row - 1, 0); i < std::min(row + 2, height); ++i)
        for (int64_t j = std::max<int64_t>(column - 1, 0); j < std::min(column + 2, width); ++j) {
          taps[count] = x + (i * width + j) * batch;
          shares[count++] =
              T(1) / T(transposed ? inside(i, height) * inside(j, width) : inside(row, height) * inside(column, width));
        }
      T* to = y + (row * width + column) * batch;
      along_batch<T>(batch, [&](auto vector, auto vectors, int64_t b) {
        typedef decltype(vector) V;
        V sum[vectors];
        for (int v = 0; v < vectors; ++v) sum[v] = transposed ? load<V>(to + b + v * lanes<V, T>) : V{};
        for (int t = 0; t < count; ++t)
          for (int v = 0; v < vectors; ++v) sum[v] += shares[t] * load<V>(taps[t] + b + v * lanes<V, T>);
        for (int v = 0; v < vectors; ++v) store<V>(to + b + v * lanes<V, T>, sum[v]);
      });
    }
}

// ---- The search cell ----

constexpr int NODES = 4, EDGES = 6, OPERATIONS = 5;
constexpr int SKIP = 1, CONV1 = 2, CONV3 = 3, POOL = 4;
constexpr int SOURCE[EDGES] = {0, 0, 1, 0, 1, 2}, TARGET[EDGES] = {1, 2, 2, 3, 3, 3};
constexpr int RANK[EDGES] = {0, 1, 0, 2, 1, 0};  // of an edge among those that leave its source

// What a cell is computed of and leaves behind for its gradient; null where nothing computed needs it.
template <class T>
struct Cell {
  const T* conv[2][NODES - 1];  // 1 × 1 and 3 × 3 weights of the edges that leave a node, one after the other
  T* node[NODES];               // node[0] is the input
  T* active[NODES - 1];         // ReLU of a node
  T* pooled[NODES - 1];         // average pool of a node
  T* convolved[2][NODES - 1];   // the convolutions' outputs, laid out as their weights
  T* statistics;                // mean and inverse deviation of those outputs, (2 sizes, 6 edges, 2, channels)
};

template <class T>
struct Computation {
  Geometry one, three;    // of the 1 × 1 and 3 × 3 convolutions of a single edge
  const T* weights;       // (6, 5): the operations' weights in the mixture
  const uint8_t* present;  // (6, 5): which of them are computed
  Cell<T> cell;

  Computation(const int64_t* shape, const T* weights, const uint8_t* present, void* const* tensors)
      : one{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 1, 1},
        three{shape[3], shape[0], shape[1], shape[2], shape[0], shape[1], shape[2], 3, 1},
        weights(weights), present(present), cell(*reinterpret_cast<const Cell<T>*>(tensors)) {}

  int64_t channels() const { return one.inputs; }
  int64_t map() const { return one.in_map(); }
  const Geometry& geometry(int size) const { return size ? three : one; }
  bool has(int edge, int operation) const { return present[edge * OPERATIONS + operation]; }
  T weight(int edge, int operation) const { return weights[edge * OPERATIONS + operation]; }
  int64_t kernel_numbers(int size) const { return channels() * channels() * geometry(size).kernel * geometry(size).kernel; }
  const T* kernel(int size, int e) const { return cell.conv[size][SOURCE[e]] + RANK[e] * kernel_numbers(size); }
  T* convolved(int size, int e) const { return cell.convolved[size][SOURCE[e]] + RANK[e] * channels() * map(); }
  T* mean(int size, int e) const { return cell.statistics + (size * EDGES + e) * 2 * channels(); }
  T* inverse(int size, int e) const { return mean(size, e) + channels(); }
};

// One summand of a node: factor × map.
template <class T>
struct Term {
  const T* map;
  T factor;
};

// The numbers of one channel that the first cache holds while several terms are added to them.
constexpr int64_t STRETCH = 1024;

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
          constant -= factor * k.mean(size, e)[c];
          terms[count++] = {k.convolved(size, e) + c * k.map(), factor};
        }
    }
    T* to = k.cell.node[node] + c * k.map();
    for (int64_t start = 0; start < k.map(); start += STRETCH) {
      int64_t stop = std::min(start + STRETCH, k.map());
      std::fill(to + start, to + stop, constant);
      for (int t = 0; t < count; ++t) {
        const T* map = terms[t].map;
        T factor = terms[t].factor;
#pragma omp simd
        for (int64_t i = start; i < stop; ++i) to[i] += factor * map[i];
      }
    }
  }
}

// A convolution of one edge.
struct EdgeConvolution {
  int edge, size;
};

template <class T>
std::vector<EdgeConvolution> convolutions_leaving(const Computation<T>& k, int node) {
  std::vector<EdgeConvolution> found;
  for (int e = 0; e < EDGES; ++e)
    for (int size = 0; size < 2; ++size)
      if (SOURCE[e] == node && k.has(e, CONV1 + size)) found.push_back({e, size});
  return found;
}

template <class T>
void cell_forward(const Computation<T>& k) {
  const Cell<T>& cell = k.cell;
  int64_t n = k.map(), channels = k.channels(), height = k.one.in_height;
  for (int node = 0; node < NODES - 1; ++node) {
    const T* x = cell.node[node];
    T *active = cell.active[node], *pooled = cell.pooled[node];
    if (active || pooled) {
#pragma omp parallel for schedule(dynamic)
      for (int64_t c = 0; c < channels; ++c) {
        if (active)
          for (int64_t i = c * n; i < (c + 1) * n; ++i) active[i] = x[i] > 0 ? x[i] : 0;
        if (pooled) average_pool(height, k.one.in_width, k.one.batch, x + c * n, pooled + c * n, false);
      }
    }
    auto convolutions = convolutions_leaving(k, node);
    int64_t count = convolutions.size();
    std::vector<Moments<T>> of_rows(count * height * channels);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count * height; ++i) {
      auto [e, size] = convolutions[i / height];
      int64_t row = i % height, numbers = n / height;
      convolution(k.geometry(size), active, k.kernel(size, e), k.convolved(size, e), row);
      for (int64_t c = 0; c < channels; ++c)  // while the row is in the cache
        of_rows[i * channels + c] = moments(k.convolved(size, e) + c * n + row * numbers, numbers);
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count * channels; ++i) {
      auto [e, size] = convolutions[i / channels];
      int64_t c = i % channels;
      const Moments<T>* rows = &of_rows[i / channels * height * channels + c];
      statistics(rows, channels, height, n / height, k.mean(size, e)[c], k.inverse(size, e)[c]);
    }
    if (cell.node[node + 1]) mix(k, node + 1);
  }
}

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
    if (wanted) shares[operation] = sum_of<T>(n, [=](int64_t i) { return dy[i] * from[i]; });
    for (int64_t i = 0; i < n; ++i) to[i] += weight * dy[i];
  }
  for (int size = 0; size < 2; ++size) {
    if (!k.has(e, CONV1 + size)) continue;
    T unused;
    normalise_gradient(n, k.convolved(size, e) + c * n, k.weight(e, CONV1 + size), k.mean(size, e)[c],
                       k.inverse(size, e)[c], dy, dconvolved[size], shares[CONV1 + size], unused);
  }
}

// Work space that a thread keeps from call to call, since fresh memory costs as much as what is done in it.
template <class T>
T* work_space(int64_t numbers) {
  static thread_local std::vector<T> kept;
  if (int64_t(kept.size()) < numbers) kept.resize(numbers);
  return kept.data();
}

// `dnode[3]` is given; the others, `dconv` (as `conv`) and `dweights` (6, 5) are made, these two null where not wanted.
template <class T>
void cell_backward(const Computation<T>& k, T* const* dnode, T* const* dconv, T* dweights) {
  const Cell<T>& cell = k.cell;
  int64_t n = k.map(), channels = k.channels(), height = k.one.in_height, numbers = channels * n;
  // Gradients of a node's ReLU, of its pool, and of up to three convolutions of either size.
  T* space = work_space<T>(numbers * (2 + 2 * (NODES - 1)));
  T *dactive = space, *dpooled = space + numbers;
  auto dconvolved = [=](int size, int e) { return space + (2 + 2 * RANK[e] + size) * numbers; };
  std::vector<T> shares(EDGES * channels * OPERATIONS);
  for (int node = NODES - 2; node >= 0; --node) {
    if (!dnode[node]) continue;
    T* dx = dnode[node];
    const T* x = cell.node[node];
#pragma omp parallel for schedule(dynamic)
    for (int64_t c = 0; c < channels; ++c) {
      std::fill(dx + c * n, dx + (c + 1) * n, T(0));
      if (cell.pooled[node]) std::fill(dpooled + c * n, dpooled + (c + 1) * n, T(0));
      for (int e = 0; e < EDGES; ++e) {
        if (SOURCE[e] != node || !dnode[TARGET[e]]) continue;
        T* const of_convolutions[2] = {dconvolved(0, e) + c * n, dconvolved(1, e) + c * n};
        edge_gradient(k, e, c, dnode[TARGET[e]] + c * n, dx + c * n, dpooled + c * n, of_convolutions,
                      &shares[(e * channels + c) * OPERATIONS], dweights);
      }
      if (cell.pooled[node]) average_pool(height, k.one.in_width, k.one.batch, dpooled + c * n, dx + c * n, true);
    }
    auto convolutions = convolutions_leaving(k, node);
    if (convolutions.empty()) continue;
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < height; ++row)
      for (auto [e, size] : convolutions)
        input_gradient(k.geometry(size), dconvolved(size, e), k.kernel(size, e), dactive, row,
                       e != convolutions[0].edge || size != convolutions[0].size);
#pragma omp parallel for simd
    for (int64_t i = 0; i < numbers; ++i) dx[i] += x[i] > 0 ? dactive[i] : 0;
    if (!dconv[node]) continue;
    int64_t blocks = weight_blocks(k.one), count = convolutions.size();
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count * blocks; ++i) {
      auto [e, size] = convolutions[i / blocks];
      T* dw = dconv[size * (NODES - 1) + node] + RANK[e] * k.kernel_numbers(size);
      weight_gradient(k.geometry(size), dconvolved(size, e), cell.active[node], dw, i % blocks);
    }
  }
  for (int i = 0; dweights && i < EDGES * OPERATIONS; ++i) {
    dweights[i] = 0;
    for (int64_t c = 0; c < channels; ++c)
      if (k.present[i]) dweights[i] += shares[(i / OPERATIONS * channels + c) * OPERATIONS + i % OPERATIONS];
  }
}

}  // namespace

#define FOR_TYPE(T, suffix)                                                                                           \
  void convolution_##suffix(const int64_t* geometry, const T* x, const T* w, T* y) {                                  \
    const Geometry& g = *reinterpret_cast<const Geometry*>(geometry);                                                 \
    _Pragma("omp parallel for schedule(dynamic)")                                                                     \
    for (int64_t row = 0; row < g.out_height; ++row) convolution(g, x, w, y, row);                                    \
  }                                                                                                                   \
  void input_gradient_##suffix(const int64_t* geometry, const T* dy, const T* w, T* dx) {                             \
    const Geometry& g = *reinterpret_cast<const Geometry*>(geometry);                                                 \
    _Pragma("omp parallel for schedule(dynamic)")                                                                     \
    for (int64_t row = 0; row < g.in_height; ++row) input_gradient(g, dy, w, dx, row, false);                         \
  }                                                                                                                   \
  void weight_gradient_##suffix(const int64_t* geometry, const T* dy, const T* x, T* dw) {                            \
    const Geometry& g = *reinterpret_cast<const Geometry*>(geometry);                                                 \
    _Pragma("omp parallel for schedule(dynamic)")                                                                     \
    for (int64_t block = 0; block < weight_blocks(g); ++block) weight_gradient(g, dy, x, dw, block);                  \
  }                                                                                                                   \
  void normalise_##suffix(int64_t channels, int64_t n, const T* x, const T* scale, const T* shift, T* y, T* mean,     \
                          T* inverse) {                                                                               \
    normalise(channels, n, x, scale, shift, y, mean, inverse);                                                        \
  }                                                                                                                   \
  void normalise_gradient_##suffix(int64_t channels, int64_t n, const T* x, const T* scale, const T* mean,            \
                                   const T* inverse, const T* dy, T* dx, T* dscale, T* dshift) {                      \
    _Pragma("omp parallel for")                                                                                       \
    for (int64_t c = 0; c < channels; ++c)                                                                            \
      normalise_gradient(n, x + c * n, scale[c], mean[c], inverse[c], dy + c * n, dx + c * n, dscale[c], dshift[c]);  \
  }                                                                                                                   \
  void average_pool_##suffix(const int64_t* shape, const T* x, T* y, int64_t transposed) {                            \
    int64_t n = shape[1] * shape[2] * shape[3];                                                                       \
    _Pragma("omp parallel for schedule(dynamic)")                                                                     \
    for (int64_t c = 0; c < shape[0]; ++c)                                                                            \
      average_pool(shape[1], shape[2], shape[3], x + c * n, y + c * n, transposed != 0);                              \
  }                                                                                                                   \
  void cell_forward_##suffix(const int64_t* shape, const T* weights, const uint8_t* present, void* const* tensors) {  \
    cell_forward(Computation<T>(shape, weights, present, tensors));                                                   \
  }                                                                                                                   \
  void cell_backward_##suffix(const int64_t* shape, const T* weights, const uint8_t* present, void* const* tensors,   \
                              T* const* dnode, T* const* dconv, T* dweights) {                                        \
    cell_backward(Computation<T>(shape, weights, present, tensors), dnode, dconv, dweights);                          \
  }

extern "C" {
FOR_TYPE(float, float32)
FOR_TYPE(double, float64)
}
