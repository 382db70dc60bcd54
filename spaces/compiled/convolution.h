// Direct convolutions, k × k with zero padding of k / 2, and the gradients of their input.
//
// Feature maps are laid out (channels, height, width, batch). With the images of a batch side by side, a register holds
// one pixel of many images, so that every loop vectorises whatever the channels and the image size, and the border needs
// no padding: taps that fall outside are left out.
//
// Order of summation. An output, or a gradient of the input, is a chain of multiply-adds, source by source and in each
// tap by tap.

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
constexpr int BLOCK = REGISTER_BYTES == 64 ? 8 : 6;
template <int MOST = BLOCK, class Work>
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

}  // namespace
