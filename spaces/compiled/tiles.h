// Convolutions by rows of Winograd's tiles (winograd.h), and the gradients of their input: 3 × 3 ones together with the 1 × 1
// ones of the same maps, which take the pixels in the middle of the tiles as they are.
//
// Order of summation. Each of a tile's products is a chain of multiply-adds, source by source. A channel's moments are taken
// over a row of tiles, in lanes (lanes.h) and from the first pixel of each.

#pragma once

#include "normalisation.h"
#include "winograd.h"

namespace {

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

// ---- A row of tiles ----

// A convolution of the same maps as others: its kernels, `transform_kernels` of 3 × 3 and `pack` of 1 × 1 ones, and its
// outputs.
template <class T>
struct Convolution {
  bool is_3x3;
  const T* kernels;
  T* outputs;
};

// A row of tiles of convolutions of the ReLU of some maps, their outputs' channels `apart`, and the channels' moments in it.
template <class T>
void convolve_tiles(const TileRow& tile_row, const std::vector<const T*>& x, const std::vector<Convolution<T>>& convolutions,
                    int64_t channels, int64_t apart, Moments<T>* of_row) {
  int64_t inputs = x.size(), count = convolutions.size(), threes = 0;
  for (auto& one : convolutions) threes += one.is_3x3;
  T* tiles = work_space<T>(TILES, POSITIONS * inputs * GROUP<T>);
  T* points = work_space<T>(POINTS, CORNERS * inputs * GROUP<T>);
  T* products = work_space<T>(PRODUCTS, POSITIONS * 8 * GROUP<T>);
  auto* gathered =
      reinterpret_cast<Gathered<T>*>(work_space<T>(MOMENTS, count * channels * 3 * LANES<T>));
  Sources<T> sources{x.data(), threes ? inputs : 0, x.data(), threes < count ? inputs : 0};
  tile_row.for_groups<T>([&](int64_t column, int64_t b, int64_t images) {
    sources.template read<true>(tile_row, column, b, images, tiles, points);
    for (int64_t i = 0; i < count; ++i) {
      bool is_3x3 = convolutions[i].is_3x3;
      const T* kernel = convolutions[i].kernels;
      T* map = convolutions[i].outputs + b;
      for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
        constexpr int ROWS = at_once;
        int positions = is_3x3 ? POSITIONS : CORNERS;
        int64_t numbers = inputs * ROWS;
        for (int64_t r = 0; r < valid; ++r)  // the outputs lie far apart; without this, writing them would wait
          for (int corner = 0; corner < CORNERS; ++corner)
            prefetch(map + (first + r) * apart + tile_row.pixel(column, corner), GROUP<T>);
        multiply_positions<ROWS>(positions, inputs, kernel, is_3x3 ? numbers : 0, is_3x3 ? tiles : points, products);
        kernel += is_3x3 ? positions * numbers : numbers;
        for (int64_t r = 0; r < valid; ++r) {
          T* channel = map + (first + r) * apart;
          Gathered<T>& of_channel = gathered[i * channels + first + r];
          for (int64_t at = 0; at < std::min(GROUP<T>, images); at += WIDTH<T>) {
            Register<T> y[CORNERS];
            const T* product = products + r * GROUP<T> + at;
            if (is_3x3)
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
  for (int64_t i = 0; i < count * channels; ++i) of_row[i] = gathered[i].moments(2 * tile_row.width, tile_row.batch);
}

// dx (channels, H, W, B) = or += the gradient of x that convolutions of its ReLU pass on, given those of their outputs: a row
// of tiles. `kernels` are turned ones.
template <bool ADD, class T>
void input_gradient_of_tiles(const TileRow& tile_row, const Sources<T>& sources, const T* kernels, const T* point_kernels,
                             int64_t channels, const T* x, T* dx) {
  T* tiles = work_space<T>(TILES, POSITIONS * sources.tile_count * GROUP<T>);
  T* points = work_space<T>(POINTS, CORNERS * sources.point_count * GROUP<T>);
  T* products = work_space<T>(PRODUCTS, (POSITIONS + CORNERS) * 8 * GROUP<T>);
  tile_row.for_groups<T>([&](int64_t column, int64_t b, int64_t images) {
    sources.template read<false>(tile_row, column, b, images, tiles, points);
    for_blocks(channels, [&](auto at_once, int64_t first, int64_t valid) {
      constexpr int ROWS = at_once;
      T* of_points = products + POSITIONS * ROWS * GROUP<T>;
      for (int64_t r = 0; r < valid; ++r)
        for (int corner = 0; corner < CORNERS; ++corner) {
          int64_t pixel = (first + r) * tile_row.map() + tile_row.pixel(column, corner) + b;
          prefetch(x + pixel, GROUP<T>);
          prefetch(dx + pixel, GROUP<T>);
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
            int64_t pixel = (first + r) * tile_row.map() + tile_row.pixel(column, corner) + b + at;
            Register<T> gated = load_some(x + pixel, images - at) > 0 ? gradient[corner] : Register<T>{};
            store_some(dx + pixel, ADD ? load_some(dx + pixel, images - at) + gated : gated, images - at);
          }
        }
    });
  });
}

}  // namespace
