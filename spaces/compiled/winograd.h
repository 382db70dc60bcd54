// The transforms of Winograd's F(2 × 2, 3 × 3), for 3 × 3 convolutions of stride 1.
//
//     Y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", §4.1)
//
// makes a tile of 2 × 2 outputs from 4 × 4 inputs d with 16 multiplications a source in place of 36. It needs an even
// height and width. Maps are laid out (channels, height, width, batch); a tile is transformed for two registers of
// images at once.
//
// Order of summation. Transforms add in the order written here.

#pragma once

#include "convolution.h"

namespace {

inline bool has_tiles(int64_t height, int64_t width) { return height % 2 == 0 && width % 2 == 0 && height * width > 4; }

// Images, and registers of them, that are transformed at once.
template <class T>
constexpr int64_t GROUP = 2 * WIDTH<T>;
constexpr int GROUP_REGISTERS = 2;

constexpr int POSITIONS = 16, CORNERS = 4;  // numbers of a transformed tile, outputs of a tile

// A row of tiles of 2 × 2 pixels, and the stretches of images in it.
struct TileRow {
  int64_t row, height, width, batch;

  template <class T, class Work>
  void for_groups(Work work) const {
    for (int64_t column = 0; column < width; column += 2)
      for (int64_t b = 0; b < batch; b += GROUP<T>) work(column, b, std::min<int64_t>(GROUP<T>, batch - b));
  }
  int64_t map() const { return height * width * batch; }
  int64_t pixel(int64_t column, int corner) const { return ((row + corner / 2) * width + column + corner % 2) * batch; }
};

// Kernels as (blocks, 16 positions, all sources, channels at once): G g Gᵀ of each, or of each turned by half a turn. Here
// some of the sources, from `first_source` on.
template <class T>
void transform_kernels(const T* weights, int64_t channels, int64_t sources, int64_t channel_stride, int64_t source_stride,
                       bool turned, T* start, int64_t first_source, int64_t all_sources) {
  for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
    constexpr int ROWS = at_once;
    T* block = start + (first * POSITIONS * all_sources + first_source * ROWS);
    for (int64_t s = 0; s < sources; ++s) {
      T kernel[9][ROWS] = {}, half[12][ROWS];
      for (int64_t r = 0; r < valid; ++r)
        for (int t = 0; t < 9; ++t) kernel[turned ? 8 - t : t][r] = weights[(first + r) * channel_stride + s * source_stride + t];
      auto spread = [](const T* a, const T* b, const T* c, T* p, T* q, T* u, T* v) {
        for (int r = 0; r < ROWS; ++r) {
          T outer = a[r] + c[r];
          p[r] = a[r], q[r] = (outer + b[r]) / 2, u[r] = (outer - b[r]) / 2, v[r] = c[r];
        }
      };
      for (int j = 0; j < 3; ++j) spread(kernel[j], kernel[3 + j], kernel[6 + j], half[j], half[3 + j], half[6 + j], half[9 + j]);
      T* to = block + s * ROWS;
      int64_t next = all_sources * ROWS;
      for (int i = 0; i < 4; ++i, to += 4 * next)
        spread(half[3 * i], half[3 * i + 1], half[3 * i + 2], to, to + next, to + 2 * next, to + 3 * next);
    }
  });
}

// A register of a tile's numbers, Bᵀ d B, to (16 positions, `next` apart); pixel(i, j) is that of d.
template <class T, class Pixel>
inline void transform_register(Pixel pixel, T* to, int64_t next) {
  auto write = [&](int i, Register<T> d0, Register<T> d1, Register<T> d2, Register<T> d3) {
    store(to + (4 * i) * next, d0 - d2);
    store(to + (4 * i + 1) * next, d1 + d2);
    store(to + (4 * i + 2) * next, d2 - d1);
    store(to + (4 * i + 3) * next, d1 - d3);
  };
  Register<T> one[4], two[4], other[4];
  for (int j = 0; j < 4; ++j) one[j] = pixel(1, j), two[j] = pixel(2, j);
  write(1, one[0] + two[0], one[1] + two[1], one[2] + two[2], one[3] + two[3]);
  write(2, two[0] - one[0], two[1] - one[1], two[2] - one[2], two[3] - one[3]);
  for (int j = 0; j < 4; ++j) other[j] = pixel(0, j);
  write(0, other[0] - two[0], other[1] - two[1], other[2] - two[2], other[3] - two[3]);
  for (int j = 0; j < 4; ++j) other[j] = pixel(3, j);
  write(3, one[0] - other[0], one[1] - other[1], one[2] - other[2], one[3] - other[3]);
}

// The same of a group of images of one source, whose pixels are `at`; fewer images than a group are `PARTIAL`.
template <bool RELU, bool PARTIAL, class T>
inline void transform_tile(const T* const (&at)[4][4], int64_t images, T* to, int64_t next) {
  for (int64_t b = 0; b < GROUP<T>; b += WIDTH<T>)
    transform_register<T>(
        [&](int i, int j) {
          Register<T> value = PARTIAL ? load_some(at[i][j] + b, images - b) : load(at[i][j] + b);
          return RELU ? relu(value) : value;
        },
        to + b, next);
}

// The outputs of a tile, Aᵀ m A, of one channel and register.
template <class T>
inline void transform_back(const T* m, int64_t next, Register<T> (&y)[CORNERS]) {
  Register<T> upper[4], lower[4];
  for (int j = 0; j < 4; ++j) {
    Register<T> one = load(m + (4 + j) * next), two = load(m + (8 + j) * next);
    upper[j] = load(m + j * next) + one + two;
    lower[j] = one - two - load(m + (12 + j) * next);
  }
  y[0] = upper[0] + upper[1] + upper[2], y[1] = upper[1] - upper[2] - upper[3];
  y[2] = lower[0] + lower[1] + lower[2], y[3] = lower[1] - lower[2] - lower[3];
}

}  // namespace
