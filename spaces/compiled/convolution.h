// Direct convolutions, k × k with zero padding of k / 2, and their gradients.
//
// Feature maps are laid out (channels, height, width, batch). With the images of a batch side by side, a register holds
// one pixel of many images, so that every loop vectorises whatever the channels and the image size, and the border needs
// no padding: taps that fall outside are left out.
//
// Order of summation. An output, or a gradient of the input, is a chain of multiply-adds, source by source and in each
// tap by tap. A gradient of a weight is such a chain along each row of outputs, pixel by pixel and in each image by image;
// the rows of a band are added to each other, then the bands.

#pragma once

#include "lanes.h"

namespace {

struct Geometry {
  int64_t batch, inputs, in_height, in_width, outputs, out_height, out_width, kernel, stride;
  int64_t in_map() const { return in_height * in_width * batch; }
  int64_t out_map() const { return out_height * out_width * batch; }
  int64_t taps() const { return kernel * kernel; }
  int64_t weights() const { return outputs * inputs * taps(); }
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

// ---- Blocks of channels ----

// Calls work(at_once, first, valid) for the blocks in which `channels` are computed, as many at once as registers hold
// beside what they are computed of; `at_once` is a constant, and the last block may have fewer than that.
template <int MOST = REGISTER_BYTES == 64 ? 8 : 6, class Work>
inline void for_blocks(int64_t channels, Work work) {
  for (int64_t first = 0; first < channels;) {
    int64_t left = channels - first;
    bool most = MOST == 8 ? left > 4 : MOST == 6 && (left == 5 || left == 6 || left > 8);
    if (most)
      work(std::integral_constant<int, MOST>{}, first, std::min<int64_t>(MOST, left));
    else
      work(std::integral_constant<int, 4>{}, first, std::min<int64_t>(4, left));
    first += most ? MOST : 4;
  }
}

// Channels that the blocks hold, the places behind the last channel included.
inline int64_t padded(int64_t channels) { return (channels + 7) / 8 * 8; }

// Kernels as (blocks, all sources, taps, channels at once), zeros behind the last channel. Here some of the sources, from
// `first_source` on.
template <class T>
void pack(const T* weights, int64_t channels, int64_t sources, int64_t taps, int64_t channel_stride, int64_t source_stride,
          T* start, int64_t first_source, int64_t all_sources) {
  for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
    T* to = start + (first * all_sources + first_source * at_once) * taps;
    for (int64_t s = 0; s < sources; ++s)
      for (int64_t t = 0; t < taps; ++t)
        for (int64_t r = 0; r < at_once; ++r)
          *to++ = r < valid ? weights[(first + r) * channel_stride + s * source_stride + t] : 0;
  });
}

// ---- Outputs, and gradients of the input ----

// sum[r][c] += Σ over sources and taps of weights (sources, k · k, ROWS) × the pixels of the source.
template <int ROWS, int REGISTERS, class T, class PixelAt>
inline void multiply(int64_t sources, const T* weights, int64_t kernel_taps, const T* from, int64_t from_map,
                     const Tap* taps, int count, PixelAt pixel_at, Register<T> (&sum)[ROWS][REGISTERS]) {
  for (int64_t s = 0; s < sources; ++s)
    for (int t = 0; t < count; ++t) {
      const T* weight = weights + (s * kernel_taps + taps[t].weight) * ROWS;
      const T* pixel = from + s * from_map + taps[t].source;
      Register<T> pixels[REGISTERS];
      for (int c = 0; c < REGISTERS; ++c) pixels[c] = pixel_at(pixel + c * WIDTH<T>);
      for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < REGISTERS; ++c) sum[r][c] = fma(all(weight[r]), pixels[c], sum[r][c]);
    }
}

// Calls work(registers, b, images) for the stretches of a batch: two whole registers, single ones, and what is left.
template <class T, class Work>
inline void along_batch(int64_t batch, Work work) {
  int64_t b = 0;
  for (; b + 2 * WIDTH<T> <= batch; b += 2 * WIDTH<T>) work(std::integral_constant<int, 2>{}, b, WIDTH<T>);
  for (; b < batch; b += WIDTH<T>) work(std::integral_constant<int, 1>{}, b, std::min<int64_t>(WIDTH<T>, batch - b));
}

// One row of maps = or += the convolution of `sources` maps, or of their ReLU, where taps_at says which pixels meet.
template <bool RELU, class T, class Taps>
void convolve_row(const T* from, int64_t from_map, int64_t sources, const T* kernels, int64_t kernel_taps, T* to,
                  int64_t to_map, int64_t row, int64_t width, int64_t batch, int64_t channels, bool add, Taps taps_at) {
  for (int64_t column = 0; column < width; ++column) {
    Tap taps[9];
    int count = taps_at(row, column, taps);
    T* pixel = to + (row * width + column) * batch;
    for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
      constexpr int ROWS = at_once;
      const T* weights = kernels + first * sources * kernel_taps;
      along_batch<T>(batch, [&](auto registers, int64_t b, int64_t images) {
        constexpr int REGISTERS = registers;
        T* target = pixel + first * to_map + b;
        Register<T> sum[ROWS][REGISTERS] = {};
        if (add)
          for (int r = 0; r < ROWS && r < valid; ++r)
            for (int c = 0; c < REGISTERS; ++c) sum[r][c] = load_some(target + r * to_map + c * WIDTH<T>, images);
        multiply(sources, weights, kernel_taps, from + b, from_map, taps, count,
                 [&](const T* at) { return RELU ? relu(load_some(at, images)) : load_some(at, images); }, sum);
        for (int r = 0; r < ROWS && r < valid; ++r)
          for (int c = 0; c < REGISTERS; ++c) store_some(target + r * to_map + c * WIDTH<T>, sum[r][c], images);
      });
    });
  }
}

// ---- Gradients of weights ----

// Numbers that one pixel of one image takes where channels lie side by side, zeros behind the last.
template <class T>
inline int64_t channels_side_by_side(int64_t channels) { return (channels + LANES<T> - 1) / LANES<T> * LANES<T>; }

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
    for (int64_t c = i < done ? channels / 4 * 4 : 0; c < LANES<T>; ++c)
      to[i * to_stride + c] = c < channels ? gated(from[c * from_stride + i]) : 0;
}

// A row of x (inputs, H, W, B), or of its ReLU, as (1 + W + 1, B, channels side by side), with zeros for the pixels beside.
template <bool RELU, class T>
void row_side_by_side(const Geometry& g, const T* x, int64_t row, int64_t beside, T* to) {
  int64_t wide = channels_side_by_side<T>(g.inputs), pixels = g.in_width * g.batch, edge = beside * g.batch * wide;
  std::fill(to, to + edge, T(0));
  std::fill(to + edge + pixels * wide, to + 2 * edge + pixels * wide, T(0));
  for (int64_t c = 0; c < g.inputs; c += LANES<T>)
    transpose<RELU>(x + c * g.in_map() + row * pixels, g.in_map(), std::min<int64_t>(LANES<T>, g.inputs - c), pixels,
                    to + edge + c, wide);
}

// sum[r][t] = Σ over a row's pixels and images of dy of output r × one register of channels of x at tap t.
template <int ROWS, int TAPS, class T>
inline void multiply_row(const T* dy, int64_t dy_map, const T* x, int64_t pixel, int64_t image, int64_t next, int64_t width,
                         int64_t batch, Register<T> (&sum)[ROWS][TAPS]) {
  for (int r = 0; r < ROWS; ++r)
    for (int t = 0; t < TAPS; ++t) sum[r][t] = Register<T>{};
  for (int64_t column = 0; column < width; ++column) {
    const T* from = x + column * pixel;
    for (int64_t b = 0; b < batch; ++b, ++dy, from += image) {
      Register<T> pixels[TAPS];
      for (int t = 0; t < TAPS; ++t) pixels[t] = load(from + t * next);
      for (int r = 0; r < ROWS; ++r) {
        Register<T> gradient = all(dy[r * dy_map]);
        for (int t = 0; t < TAPS; ++t) sum[r][t] = fma(gradient, pixels[t], sum[r][t]);
      }
    }
  }
}

// dw (outputs, inputs, k, k) = or += one row's part of the gradient of the weights. `rows[i]` is the row of x that tap row
// i meets, null outside the image, with `beside` pixels of zeros on either side.
template <class T>
void weight_gradient_of_row(const Geometry& g, const T* dy, int64_t dy_map, int64_t row, const T* const* rows,
                            int64_t beside, T* dw, bool add) {
  int64_t wide = channels_side_by_side<T>(g.inputs), pixel = g.batch * wide;
  const T* of_row = dy + row * g.out_width * g.batch;
  auto with = [&](auto rows_at_once, auto taps_at_once, int64_t first, const T* x, int64_t channel, int64_t tap) {
    constexpr int ROWS = rows_at_once, TAPS = taps_at_once;
    Register<T> sum[ROWS][TAPS];
    multiply_row(of_row + first * dy_map, dy_map, x + channel, g.stride * pixel, wide, pixel, g.out_width, g.batch, sum);
    for (int r = 0; r < ROWS; ++r)
      for (int t = 0; t < TAPS; ++t) {
        T numbers[WIDTH<T>];
        store(numbers, sum[r][t]);
        T* to = dw + ((first + r) * g.inputs + channel) * g.taps() + tap + t;
        for (int64_t i = 0; i < std::min<int64_t>(WIDTH<T>, g.inputs - channel); ++i)
          to[i * g.taps()] = add ? to[i * g.taps()] + numbers[i] : numbers[i];
      }
  };
  auto of_rows = [&](auto rows_at_once, int64_t first) {
    for (int64_t i = 0; i < g.kernel; ++i) {
      if (!rows[i]) {
        if (add) continue;
        for (int64_t r = first; r < first + rows_at_once; ++r)
          for (int64_t c = 0; c < g.inputs; ++c)
            std::fill_n(dw + (r * g.inputs + c) * g.taps() + i * g.kernel, g.kernel, T(0));
        continue;
      }
      for (int64_t channel = 0; channel < g.inputs; channel += WIDTH<T>)
        if (g.kernel == 3)
          with(rows_at_once, std::integral_constant<int, 3>{}, first, rows[i] + (beside - 1) * pixel, channel, i * 3);
        else
          with(rows_at_once, std::integral_constant<int, 1>{}, first, rows[i] + beside * pixel, channel, 0);
    }
  };
  for_blocks<REGISTER_BYTES == 64 ? 8 : 4>(g.outputs, [&](auto at_once, int64_t first, int64_t valid) {
    if (valid == at_once)
      of_rows(at_once, first);
    else
      for (int64_t r = 0; r < valid; ++r) of_rows(std::integral_constant<int, 1>{}, first + r);
  });
}

// A convolution whose weights' gradient is wanted.
template <class T>
struct WeightGradient {
  Geometry geometry;
  const T* dy;
  int64_t dy_map;  // how far apart its channels are
  T* dw;
};

// The gradients of the weights of convolutions of one x, or of its ReLU, all of one stride.
template <bool RELU, class T>
void weight_gradients(const std::vector<WeightGradient<T>>& wanted, const T* x) {
  const Geometry& g = wanted[0].geometry;
  int64_t rows_in_band = (g.out_height + 7) / 8, bands = (g.out_height + rows_in_band - 1) / rows_in_band, numbers = 0;
  for (auto& one : wanted) numbers += one.geometry.weights();
  T* parts = work_space<T>(PARTIAL_SUMS, bands * numbers);
  int64_t row_numbers = (g.in_width + 2) * g.batch * channels_side_by_side<T>(g.inputs);
#pragma omp parallel for schedule(dynamic)
  for (int64_t band = 0; band < bands; ++band) {
    T* ring = work_space<T>(PIXELS, 3 * row_numbers);  // row y of x is kept in place y mod 3
    int64_t made = -1;                                 // rows of x up to this one
    for (int64_t row = band * rows_in_band; row < std::min((band + 1) * rows_in_band, g.out_height); ++row) {
      int64_t middle = row * g.stride, last = std::min(middle + 1, g.in_height - 1);
      for (int64_t y = std::max({made + 1, middle - 1, int64_t(0)}); y <= last; ++y)
        row_side_by_side<RELU>(g, x, y, 1, ring + y % 3 * row_numbers);
      made = last;
      T* to = parts + band * numbers;
      for (auto& one : wanted) {
        const T* rows[3] = {};
        for (int64_t i = 0; i < one.geometry.kernel; ++i) {
          int64_t y = middle + i - one.geometry.kernel / 2;
          if (y >= 0 && y < g.in_height) rows[i] = ring + y % 3 * row_numbers;
        }
        weight_gradient_of_row(one.geometry, one.dy, one.dy_map, row, rows, 1, to, row != band * rows_in_band);
        to += one.geometry.weights();
      }
    }
  }
  for (auto& one : wanted) {
    int64_t count = one.geometry.weights();
    std::copy(parts, parts + count, one.dw);
    for (int64_t band = 1; band < bands; ++band)
      for (int64_t i = 0; i < count; ++i) one.dw[i] += parts[band * numbers + i];
    parts += count;
  }
}

// ---- A convolution by itself ----

// y (outputs, H′, W′, B), the convolution of x (inputs, H, W, B), or of its ReLU, by w (outputs, inputs, k, k).
template <bool RELU, class T>
void convolution(const Geometry& g, const T* x, const T* w, T* y) {
  T* kernels = work_space<T>(KERNELS, padded(g.outputs) * g.inputs * g.taps());
  pack(w, g.outputs, g.inputs, g.taps(), g.inputs * g.taps(), g.taps(), kernels, 0, g.inputs);
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < g.out_height; ++row)
    convolve_row<RELU>(x, g.in_map(), g.inputs, kernels, g.taps(), y, g.out_map(), row, g.out_width, g.batch, g.outputs,
                        false, [&](int64_t y, int64_t x, Tap* taps) { return taps_of_output(g, y, x, taps); });
}

// dx, the gradient of the input, given dy, the output's.
template <class T>
void input_gradient(const Geometry& g, const T* dy, const T* w, T* dx) {
  T* kernels = work_space<T>(KERNELS, padded(g.inputs) * g.outputs * g.taps());
  pack(w, g.inputs, g.outputs, g.taps(), g.taps(), g.inputs * g.taps(), kernels, 0, g.outputs);
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < g.in_height; ++row)
    convolve_row<false>(dy, g.out_map(), g.outputs, kernels, g.taps(), dx, g.in_map(), row, g.in_width, g.batch, g.inputs,
                        false, [&](int64_t y, int64_t x, Tap* taps) { return taps_of_input(g, y, x, taps); });
}

// dw, the gradient of the weights, given dy, the output's.
template <class T>
void weight_gradient(const Geometry& g, const T* dy, const T* x, T* dw) {
  weight_gradients<false, T>({{g, dy, g.out_map(), dw}}, x);
}

}  // namespace
