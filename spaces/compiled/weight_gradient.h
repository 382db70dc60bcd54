// Gradients of convolutions' weights: of 3 × 3 ones of stride 1 by Winograd's tiles (winograd.h), else directly.
//
// Here the channels of x lie side by side, (pixel, image, channels), filled up to whole registers with what happens to be
// there and nobody reads. So each number of dy meets whole registers of them, and every gradient, (k · k, outputs, inputs),
// is a sum of products
//
//     gradient (outputs, inputs) += dy (outputs, numbers) · x (numbers, inputs)
//
// over pixels and images. With tiles there are 16 such products of transformed dy and x in place of 36,
//
//     dg = Gᵀ [(A dY Aᵀ) ∘ (Bᵀ d B)] G        summed over tiles and images before the outer transform.
//
// Order of summation. The rows of outputs are shared out among at most 8 bands, by the height alone. In a band, each
// product is one chain of multiply-adds: row by row (of tiles or pixels), column by column, image by image. Then the
// bands are added in order.

#pragma once

#include "winograd.h"

namespace {

// ---- Channels side by side ----

// Numbers that one pixel of one image takes where channels lie side by side.
template <class T>
inline int64_t channels_side_by_side(int64_t channels) { return (channels + WIDTH<T> - 1) / WIDTH<T> * WIDTH<T>; }

// to (numbers, to_stride) = `channels` ≤ 16 rows of from (channels, from_stride), or of their ReLU.
template <bool RELU, class T>
inline void transpose(const T* from, int64_t from_stride, int64_t channels, int64_t numbers, T* to, int64_t to_stride) {
  auto gated = [](T value) { return RELU ? relu(value) : value; };
  int64_t done = 0;
#if defined(__x86_64__)
  if constexpr (sizeof(T) == 4)
    for (; done + 4 <= numbers; done += 4)
      for (int64_t c = 0; c + 4 <= channels; c += 4) {
        __m128 rows[4], zero = _mm_setzero_ps();
        for (int i = 0; i < 4; ++i) {
          rows[i] = _mm_loadu_ps(from + (c + i) * from_stride + done);
          if (RELU) rows[i] = _mm_max_ps(rows[i], zero);
        }
        _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
        for (int i = 0; i < 4; ++i) _mm_storeu_ps(to + (done + i) * to_stride + c, rows[i]);
      }
#endif
  for (int64_t i = 0; i < numbers; ++i)
    for (int64_t c = i < done ? channels / 4 * 4 : 0; c < channels; ++c)
      to[i * to_stride + c] = gated(from[c * from_stride + i]);
}

// The last four rows of x (inputs, H, W, B), or of its ReLU, channels side by side, each with a pixel of zeros before and
// behind it; all zeros for a row outside the image.
template <class T>
struct Rows {
  const Geometry& g;
  int64_t wide = channels_side_by_side<T>(g.inputs), pixel = g.batch * wide, numbers = (g.in_width + 2) * pixel;
  T* ring = work_space<T>(PIXELS, 4 * numbers);

  explicit Rows(const Geometry& g) : g(g) {}

  // Where pixel 0 of row y ≥ -1 is.
  T* row(int64_t y) const { return ring + (y + 4) % 4 * numbers + pixel; }
  bool outside(int64_t y) const { return y < 0 || y >= g.in_height; }
  template <bool RELU>
  void make(const T* x, int64_t y) const {
    T* to = row(y);
    int64_t count = g.in_width * g.batch;
    std::fill(to - pixel, outside(y) ? to + count * wide : to, T(0));
    std::fill(to + count * wide, to + count * wide + pixel, T(0));
    for (int64_t c = 0; !outside(y) && c < g.inputs; c += LANES<T>)
      transpose<RELU>(x + c * g.in_map() + y * count, g.in_map(), std::min<int64_t>(LANES<T>, g.inputs - c), count, to + c,
                      wide);
  }
};

// ---- The product ----

// A block of the product: ROWS outputs × REGISTERS of inputs, each of them `x_next` and `to_next` behind the one before.
template <int ROWS, int REGISTERS, class T>
inline void add_block(int64_t n, const T* dy, int64_t dy_stride, const T* x, int64_t wide, int64_t x_next, T* to,
                      int64_t to_next) {
  Register<T> sum[ROWS][REGISTERS];
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < REGISTERS; ++c) sum[r][c] = load(to + r * wide + c * to_next);
  for (int64_t i = 0; i < n; ++i, ++dy, x += wide) {
    Register<T> inputs[REGISTERS];
    for (int c = 0; c < REGISTERS; ++c) inputs[c] = load(x + c * x_next);
    for (int r = 0; r < ROWS; ++r) {
      Register<T> gradient = all(dy[r * dy_stride]);
      for (int c = 0; c < REGISTERS; ++c) sum[r][c] = fma(gradient, inputs[c], sum[r][c]);
    }
  }
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < REGISTERS; ++c) store(to + r * wide + c * to_next, sum[r][c]);
}

// to (outputs, wide) += dy (outputs, n) · x (n, wide), but for registers behind the last of the inputs. With TAPS > 1, the
// same for so many x, `x_next` apart, to sums that are `to_next` apart.
template <int TAPS, class T>
void add_product(int64_t outputs, int64_t inputs, int64_t n, const T* dy, int64_t dy_stride, const T* x, int64_t wide,
                 int64_t x_next, T* to, int64_t to_next) {
  for_blocks<TAPS == 3 && REGISTER_BYTES < 64 ? 4 : BLOCK>(outputs, [&](auto at_once, int64_t first, int64_t valid) {
    auto block = [&](auto rows, auto registers, int64_t r, int64_t c, int64_t x_apart, int64_t to_apart) {
      int64_t output = first + r;
      add_block<rows, registers>(n, dy + output * dy_stride, dy_stride, x + c, wide, x_apart, to + output * wide + c, to_apart);
    };
    constexpr int MOST = TAPS > 1 ? TAPS : 2;
    for (int64_t c = 0, registers; c < inputs; c += registers * WIDTH<T>) {
      registers = TAPS == 1 && valid == at_once && c + WIDTH<T> < inputs ? 2 : 1;
      if (valid < at_once)
        for (int64_t r = 0; r < valid; ++r)
          block(std::integral_constant<int, 1>{}, std::integral_constant<int, TAPS>{}, r, c, x_next, to_next);
      else if (TAPS == 1 && registers == 1)
        block(at_once, std::integral_constant<int, 1>{}, 0, c, 0, 0);
      else
        block(at_once, std::integral_constant<int, MOST>{}, 0, c, TAPS > 1 ? x_next : WIDTH<T>,
              TAPS > 1 ? to_next : WIDTH<T>);
    }
  });
}

// ---- Tiles ----

// dy's numbers of one tile, A dY Aᵀ, to (16 positions, `next` apart), but for the sign of what row and column 3 have:
// `gradient_of_kernel` sees to it.
template <class T>
inline void transform_gradients(const T* const (&at)[CORNERS], int64_t images, T* to, int64_t next) {
  for (int64_t b = 0; b < images; b += WIDTH<T>, to += WIDTH<T>) {
    Register<T> y[CORNERS];
    for (int corner = 0; corner < CORNERS; ++corner) y[corner] = load_some(at[corner] + b, images - b);
    auto write = [&](int i, Register<T> left, Register<T> right) {
      store(to + 4 * i * next, left);
      store(to + (4 * i + 1) * next, left + right);
      store(to + (4 * i + 2) * next, left - right);
      store(to + (4 * i + 3) * next, right);
    };
    write(0, y[0], y[1]);
    write(1, y[0] + y[2], y[1] + y[3]);
    write(2, y[0] - y[2], y[1] - y[3]);
    write(3, y[2], y[3]);
  }
}

// sums (16 positions, outputs, wide) += what a row of tiles adds to the products of one convolution's dy and x, the images
// of a tile in stretches that fit the caches. `inputs` (16, images, wide) are of the tile at hand.
template <class T>
struct TilesOfRow {
  static constexpr int64_t STRETCH = 64;
  const Rows<T>& rows;
  int64_t row;
  const Geometry& g = rows.g;
  // A little more than a power of two apart, which would fall into the same few places of the cache.
  int64_t inputs_apart = STRETCH * rows.wide + LANES<T>;
  T* inputs = work_space<T>(TILES, POSITIONS * inputs_apart);

  TilesOfRow(const Rows<T>& rows, int64_t row) : rows(rows), row(row) {}

  void transform_inputs(int64_t column, int64_t first, int64_t images) const {
    const T* at[4][4];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        at[i][j] = rows.row(row - 1 + i) + (column - 1 + j) * rows.pixel + first * rows.wide;
    for (int64_t i = 0; i < images * rows.wide; i += WIDTH<T>)
      transform_register<T>([&](int y, int x) { return load(at[y][x] + i); }, inputs + i, inputs_apart);
  }
  void add(const T* dy, int64_t dy_map, int64_t outputs, int64_t column, int64_t first, int64_t images, T* sums) const {
    int64_t apart = outputs * STRETCH + LANES<T>;
    T* gradients = work_space<T>(POINTS, POSITIONS * apart);
    for (int64_t o = 0; o < outputs; ++o) {
      const T* at[CORNERS];
      for (int corner = 0; corner < CORNERS; ++corner)
        at[corner] = dy + o * dy_map + ((row + corner / 2) * g.out_width + column + corner % 2) * g.batch + first;
      for (int corner = 0; corner < CORNERS; ++corner) prefetch(at[corner] + 2 * g.batch, images);  // the next tile's
      transform_gradients(at, images, gradients + o * STRETCH, apart);
    }
    for (int p = 0; p < POSITIONS; ++p)
      add_product<1>(outputs, g.inputs, images, gradients + p * apart, STRETCH, inputs + p * inputs_apart, rows.wide, 0,
                     sums + p * outputs * rows.wide, 0);
  }
};

// dg (9, numbers) = Gᵀ M G of sums (16, numbers).
template <class T>
void gradient_of_kernel(const T* sums, int64_t numbers, T* dg) {
  for (int64_t n = 0; n < numbers; n += WIDTH<T>) {
    auto gather = [](Register<T> a, Register<T> b, Register<T> c, Register<T> minus_d, Register<T>* to) {
      Register<T> half = (b + c) * all(T(0.5));
      to[0] = a + half, to[1] = (b - c) * all(T(0.5)), to[2] = half - minus_d;
    };
    Register<T> columns[4][3], rows[3];
    for (int j = 0; j < 4; ++j) {
      auto at = [&](int i) { return load(sums + (4 * i + j) * numbers + n); };
      gather(at(0), at(1), at(2), at(3), columns[j]);
    }
    for (int i = 0; i < 3; ++i) {
      gather(columns[0][i], columns[1][i], columns[2][i], columns[3][i], rows);
      for (int j = 0; j < 3; ++j) store(dg + (3 * i + j) * numbers + n, rows[j]);
    }
  }
}

// ---- The gradients ----

// A convolution whose weights' gradient is wanted.
template <class T>
struct WeightGradient {
  Geometry geometry;
  const T* dy;
  int64_t dy_map;  // how far apart its channels are
  T* dw;
};

// sums (k · k, outputs, wide) += what a row of outputs adds, directly.
template <class T>
void add_row(const WeightGradient<T>& wanted, const Rows<T>& rows, int64_t row, T* sums) {
  const Geometry& g = wanted.geometry;
  const T* dy = wanted.dy + row * g.out_width * g.batch;
  // Where columns lie right behind each other, they are one stretch of numbers.
  int64_t stretch = g.stride == 1 ? g.out_width : 1;
  for (int64_t i = 0; i < g.kernel; ++i) {
    int64_t y = row * g.stride + i - g.kernel / 2;
    if (rows.outside(y)) continue;
    for (int64_t column = 0; column < g.out_width; column += stretch) {
      auto add = [&](auto taps) {
        add_product<taps>(g.outputs, g.inputs, stretch * g.batch, dy + column * g.batch, wanted.dy_map,
                          rows.row(y) + (column * g.stride - taps / 2) * rows.pixel, rows.wide, rows.pixel,
                          sums + i * g.kernel * g.outputs * rows.wide, g.outputs * rows.wide);
      };
      if (g.kernel == 3)
        add(std::integral_constant<int, 3>{});
      else
        add(std::integral_constant<int, 1>{});
    }
  }
}

// The gradients of the weights of convolutions of one x, or of its ReLU, all of one stride.
template <bool RELU, class T>
void weight_gradients(const std::vector<WeightGradient<T>>& wanted, const T* x) {
  const Geometry& g = wanted[0].geometry;
  int64_t wide = channels_side_by_side<T>(g.inputs), numbers = 0, numbers_of_tiles = 0;
  // With few channels the transforms would cost more than they save.
  bool has_tiles_of_worth = g.stride == 1 && has_tiles(g.in_height, g.in_width) && g.inputs >= 8;
  auto tiled = [=](const WeightGradient<T>& one) { return has_tiles_of_worth && one.geometry.kernel == 3; };
  for (auto& one : wanted) {
    numbers += one.geometry.taps() * one.geometry.outputs * wide;
    if (tiled(one)) numbers_of_tiles += POSITIONS * one.geometry.outputs * wide;
  }
  int64_t height = numbers_of_tiles ? 2 : 1, steps = g.out_height / height;  // rows of outputs that are made at once
  int64_t steps_in_band = (steps + 7) / 8, bands = (steps + steps_in_band - 1) / steps_in_band;
  T* parts = work_space<T>(PARTIAL_SUMS, bands * numbers);
#pragma omp parallel for schedule(dynamic)
  for (int64_t band = 0; band < bands; ++band) {
    Rows<T> rows(g);
    T *part = parts + band * numbers, *products = work_space<T>(PRODUCTS, numbers_of_tiles);
    std::fill(part, part + numbers, T(0));
    std::fill(products, products + numbers_of_tiles, T(0));
    int64_t first = band * steps_in_band * height, behind = std::min(first + steps_in_band * height, g.out_height);
    for (int64_t row = first, made = first * g.stride - 2; row < behind; row += height) {
      for (int64_t last = (row + height - 1) * g.stride + 1; made < last;) rows.template make<RELU>(x, ++made);
      if (numbers_of_tiles) {
        TilesOfRow<T> tiles(rows, row);
        for (int64_t column = 0; column < g.out_width; column += 2)
          for (int64_t b = 0; b < g.batch; b += tiles.STRETCH) {
            int64_t images = std::min(tiles.STRETCH, g.batch - b);
            tiles.transform_inputs(column, b, images);
            T* sums = products;
            for (auto& one : wanted)
              if (tiled(one)) {
                tiles.add(one.dy, one.dy_map, one.geometry.outputs, column, b, images, sums);
                sums += POSITIONS * one.geometry.outputs * wide;
              }
          }
      }
      T* sums = part;
      for (auto& one : wanted) {
        for (int64_t y = row; !tiled(one) && y < row + height; ++y) add_row(one, rows, y, sums);
        sums += one.geometry.taps() * one.geometry.outputs * wide;
      }
    }
    T* sums = part;
    for (auto& one : wanted) {
      int64_t count = one.geometry.outputs * wide;
      if (tiled(one)) gradient_of_kernel(products, count, sums), products += POSITIONS * count;
      sums += one.geometry.taps() * count;
    }
  }
  for (auto& one : wanted) {
    int64_t taps = one.geometry.taps(), outputs = one.geometry.outputs, count = taps * outputs * wide;
#pragma omp parallel for
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t t = 0; t < taps; ++t) {
        T* sums = parts + (t * outputs + o) * wide;
        for (int64_t band = 1; band < bands; ++band)
          for (int64_t c = 0; c < g.inputs; ++c) sums[c] += sums[band * numbers + c];
        for (int64_t c = 0; c < g.inputs; ++c) one.dw[(o * g.inputs + c) * taps + t] = sums[c];
      }
    parts += count;
  }
}

// dw, the gradient of the weights of one convolution, given dy, the output's.
template <class T>
void weight_gradient(const Geometry& g, const T* dy, const T* x, T* dw) {
  weight_gradients<false, T>({{g, dy, g.out_map(), dw}}, x);
}

}  // namespace
