// 3 × 3 convolutions of stride 1 by Winograd's F(2 × 2, 3 × 3), together with the 1 × 1 convolutions of the same maps.
//
//     Y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", §4.1)
//
// makes a tile of 2 × 2 outputs from 4 × 4 inputs d with 16 multiplications a source in place of 36. It needs an even
// height and width. Maps are laid out (channels, height, width, batch); a tile is transformed for two registers of
// images at once.
//
// Order of summation. Each of the 16 products is a chain of multiply-adds, source by source; transforms add in the order
// written here. A channel's moments are taken over a row of tiles, in lanes (lanes.h) and from the first pixel of each.

#pragma once

#include "convolution.h"
#include "normalisation.h"

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

// What convolutions of one group of a tile read: `tiles` (16 positions, sources, images), `points` (4 corners, sources,
// images) of the sources of the 1 × 1 convolutions; either may be absent.
template <class T>
struct Sources {
  const T* const* of_tiles;
  int64_t tile_count;
  const T* const* of_points;
  int64_t point_count;

  template <bool RELU>
  void read(const TileRow& tiles, int64_t column, int64_t b, int64_t images, T* to_tiles, T* to_points) const {
    static const T outside[GROUP<T>] = {};
    int64_t offsets[4][4];
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 4; ++j) {
        int64_t y = tiles.row + i - 1, x = column + j - 1;
        bool inside = y >= 0 && y < tiles.height && x >= 0 && x < tiles.width;
        offsets[i][j] = inside ? (y * tiles.width + x) * tiles.batch + b : -1;
      }
    for (int64_t s = 0; s < tile_count; ++s) {
      const T* at[4][4];
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < 4; ++j) at[i][j] = offsets[i][j] < 0 ? outside : of_tiles[s] + offsets[i][j];
      for (int64_t i = 0; i < 4; ++i)  // the columns that the next tile reads beside these
        for (int64_t j = 4; j < 6 && offsets[i][2] >= 0; ++j)
          prefetch(of_tiles[s] + offsets[i][2] + (j - 2) * tiles.batch, GROUP<T>);
      if (images == GROUP<T>)
        transform_tile<RELU, false>(at, images, to_tiles + s * GROUP<T>, tile_count * GROUP<T>);
      else
        transform_tile<RELU, true>(at, images, to_tiles + s * GROUP<T>, tile_count * GROUP<T>);
    }
    for (int64_t s = 0; s < point_count; ++s)
      for (int corner = 0; corner < CORNERS; ++corner) {
        const T* from = of_points[s] + tiles.pixel(column, corner) + b;
        prefetch(from + 2 * tiles.batch, GROUP<T>);
        for (int64_t i = 0; i < GROUP<T>; i += WIDTH<T>) {
          Register<T> value = load_some(from + i, images - i);
          store(to_points + (corner * point_count + s) * GROUP<T> + i, RELU ? relu(value) : value);
        }
      }
  }
};

// to (positions, ROWS, images) = the products of a block of channels: kernels (positions, sources, ROWS), those of the next
// position `next` further, × from (positions, sources, images).
template <int ROWS, class T>
inline void multiply_positions(int positions, int64_t sources, const T* kernels, int64_t next, const T* from, T* to) {
  for (int p = 0; p < positions; ++p, kernels += next, from += sources * GROUP<T>, to += ROWS * GROUP<T>) {
    Register<T> sum[ROWS][GROUP_REGISTERS] = {};
    const T *weight = kernels, *pixel = from;
    for (int64_t s = 0; s < sources; ++s, weight += ROWS, pixel += GROUP<T>) {
      Register<T> pixels[GROUP_REGISTERS];
      for (int c = 0; c < GROUP_REGISTERS; ++c) pixels[c] = load(pixel + c * WIDTH<T>);
      for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < GROUP_REGISTERS; ++c) sum[r][c] = fma(all(weight[r]), pixels[c], sum[r][c]);
    }
    for (int r = 0; r < ROWS; ++r)
      for (int c = 0; c < GROUP_REGISTERS; ++c) store(to + r * GROUP<T> + c * WIDTH<T>, sum[r][c]);
  }
}

// The moments of one channel over a row of tiles, gathered lane by lane as sums of distances from the lane's first pixel.
template <class T>
struct Gathered {
  T first[LANES<T>], sum[LANES<T>], squares[LANES<T>];

  // Adds the corners of a tile, of `images` images, to the lanes from `lane` on; `opening` says that they are the first of all.
  void add(const Register<T> (&corners)[CORNERS], int64_t lane, int64_t images, bool opening) {
    if (images < WIDTH<T>) {
      for (int64_t i = 0; i < images; ++i)
        for (int corner = 0; corner < CORNERS; ++corner) add(corners[corner][i], lane + i, opening && corner == 0);
      return;
    }
    Register<T> from = opening ? corners[0] : load(first + lane), total = opening ? Register<T>{} : load(sum + lane);
    Register<T> total_squares = opening ? Register<T>{} : load(squares + lane);
    for (int corner = 0; corner < CORNERS; ++corner) {
      Register<T> away = corners[corner] - from;
      total += away;
      total_squares = fma(away, away, total_squares);
    }
    if (opening) store(first + lane, from);
    store(sum + lane, total), store(squares + lane, total_squares);
  }
  void add(T pixel, int64_t lane, bool opening) {
    if (opening) first[lane] = pixel, sum[lane] = squares[lane] = 0;
    T away = pixel - first[lane];
    sum[lane] += away;
    squares[lane] = fma(away, away, squares[lane]);
  }

  // Of all pixels of `pixels` places and `batch` images.
  Moments<T> moments(int64_t pixels, int64_t batch) const {
    T counts[LANES<T>], means[LANES<T>];
    Lanes<T> total, squares_within, squares_between;
    for (int64_t i = 0; i < LANES<T>; ++i) {
      counts[i] = T(pixels * ((batch - i + LANES<T> - 1) / LANES<T>));
      means[i] = i < batch ? first[i] + sum[i] / counts[i] : 0;
      if (i < batch) total.add(i, counts[i] * means[i]);
    }
    T mean = total.total() / T(pixels * batch);
    for (int64_t i = 0; i < std::min<int64_t>(LANES<T>, batch); ++i) {
      squares_within.add(i, squares[i] - sum[i] * sum[i] / counts[i]);
      squares_between.add(i, counts[i] * ((means[i] - mean) * (means[i] - mean)));
    }
    return {mean, std::max(squares_within.total() + squares_between.total(), T(0))};
  }
};

}  // namespace
