// What stands around the search cells: the residual block of stride 2 between two stages, and the classifier; and a sum of
// maps with weights, for the cells that are not the plain search cell.
//
// Maps are laid out (channels, height, width, batch). A ReLU is made while its map is read.
//
// The second convolution of a residual block goes by tiles where it can.
//
// Order of summation. As in convolution.h, tiles.h and normalisation.h. A mean over pixels is added pixel by pixel; gradients of
// biases and of the weights of a sum are summed up in lanes, in each channel by itself, then channel by channel.

#pragma once

#include "tiles.h"
#include "weight_gradient.h"

namespace {

// ---- The residual block ----

// dx = the gradient of relu(x), given that of its values, which may lie in dx.
template <class T>
void gate(int64_t numbers, const T* x, const T* dy, T* dx) {
#pragma omp parallel for
  for (int64_t i = 0; i < numbers; ++i) dx[i] = x[i] > 0 ? dy[i] : 0;
}

// y (channels, H/2, W/2, B) = the averages of 2 × 2 pixels of x; or, where x is not constant, x += a quarter of each y.
template <class T, class X>
void halve(const Geometry& g, X* x, T* y) {
  int64_t width = g.in_width / 2, height = g.in_height / 2;
#pragma omp parallel for
  for (int64_t row = 0; row < g.inputs * height; ++row)
    for (int64_t column = 0; column < width; ++column) {
      X* upper = x + (2 * row * g.in_width + 2 * column) * g.batch;
      X* lower = upper + g.in_width * g.batch;
      T* to = y + (row * width + column) * g.batch;
      for (int64_t b = 0; b < g.batch; ++b) {
        if constexpr (std::is_const_v<X>) {
          to[b] = ((upper[b] + upper[b + g.batch]) + (lower[b] + lower[b + g.batch])) / 4;
        } else {
          T quarter = to[b] / 4;
          upper[b] += quarter, upper[b + g.batch] += quarter, lower[b] += quarter, lower[b + g.batch] += quarter;
        }
      }
    }
}

// The weights of a residual block, what it leaves behind for its gradient, and the gradients of the weights.
template <class T>
struct Residual {
  const T *conv_a, *scale_a, *shift_a, *conv_b, *scale_b, *shift_b, *shortcut;
  T *convolved_a, *normalised_a, *convolved_b, *halved, *statistics;  // statistics (2 layers, mean and inverse, 2 · channels)
  T *dconv_a, *dscale_a, *dshift_a, *dconv_b, *dscale_b, *dshift_b, *dshortcut;
};

struct ResidualGeometry {
  Geometry a, b, shortcut;

  explicit ResidualGeometry(const int64_t* shape) {  // (channels, height, width, batch) of the input
    int64_t channels = shape[0], height = shape[1] / 2, width = shape[2] / 2, batch = shape[3];
    a = {batch, channels, shape[1], shape[2], 2 * channels, height, width, 3, 2};
    b = {batch, 2 * channels, height, width, 2 * channels, height, width, 3, 1};
    shortcut = {batch, channels, height, width, 2 * channels, height, width, 1, 1};
  }
  bool tiled() const { return has_tiles(b.in_height, b.in_width); }
};

// y += the normalised second convolution of a residual block, by tiles.
template <class T>
void add_second_by_tiles(const Geometry& g, const Residual<T>& r, T* mean, T* inverse, T* y) {
  int64_t channels = g.outputs, n = g.out_map(), rows = g.out_height / 2;
  T* kernels = work_space<T>(KERNELS, padded(channels) * channels * POSITIONS);
  transform_kernels(r.conv_b, channels, channels, channels * 9, int64_t(9), false, kernels, 0, channels);
  std::vector<const T*> maps(channels);
  for (int64_t c = 0; c < channels; ++c) maps[c] = r.normalised_a + c * n;
  std::vector<Moments<T>> of_rows(rows * channels);
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < rows; ++row)
    convolve_tiles<T>({2 * row, g.out_height, g.out_width, g.batch}, maps, {{true, kernels, r.convolved_b}}, channels, n,
                      &of_rows[row * channels]);
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c) {
    statistics(&of_rows[c], channels, rows, n / rows, mean[c], inverse[c]);
    scale_from<true>(n, r.convolved_b + c * n, mean[c], inverse[c] * r.scale_b[c], r.shift_b[c], y + c * n);
  }
}

// dx = the gradient of x, given dy, that of the second convolution of its ReLU.
template <class T>
void input_gradient_by_tiles(const Geometry& g, const T* dy, const T* w, const T* x, T* dx) {
  int64_t channels = g.outputs, n = g.out_map();
  T* kernels = work_space<T>(KERNELS, padded(channels) * channels * POSITIONS);
  transform_kernels(w, channels, channels, int64_t(9), channels * 9, true, kernels, 0, channels);
  std::vector<const T*> maps(channels);
  for (int64_t c = 0; c < channels; ++c) maps[c] = dy + c * n;
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < g.out_height / 2; ++row)
    input_gradient_of_tiles<false, T>({2 * row, g.out_height, g.out_width, g.batch}, {maps.data(), channels, nullptr, 0}, kernels,
                               nullptr, channels, x, dx);
}

template <class T>
void residual_forward(const int64_t* shape, const T* x, T* y, void* const* tensors) {
  ResidualGeometry g(shape);
  const Residual<T>& r = *reinterpret_cast<const Residual<T>*>(tensors);
  int64_t channels = g.a.outputs, n = g.a.out_map();
  T *of_a = r.statistics, *of_b = r.statistics + 2 * channels;
  convolution<true>(g.a, x, r.conv_a, r.convolved_a);
  normalise<false, T>(channels, n, r.convolved_a, r.scale_a, r.shift_a, r.normalised_a, of_a, of_a + channels, nullptr);
  halve<T>(g.a, x, r.halved);
  convolution<false>(g.shortcut, r.halved, r.shortcut, y);
  if (g.tiled()) return add_second_by_tiles(g.b, r, of_b, of_b + channels, y);
  convolution<true>(g.b, r.normalised_a, r.conv_b, r.convolved_b);
  normalise<true, T>(channels, n, r.convolved_b, r.scale_b, r.shift_b, y, of_b, of_b + channels, nullptr);
}

template <class T>
void residual_backward(const int64_t* shape, const T* x, const T* dy, T* dx, void* const* tensors) {
  ResidualGeometry g(shape);
  const Residual<T>& r = *reinterpret_cast<const Residual<T>*>(tensors);
  int64_t channels = g.a.outputs, n = g.a.out_map(), numbers = channels * n;
  T *of_a = r.statistics, *of_b = r.statistics + 2 * channels;
  T* gradient = work_space<T>(GRADIENTS, 2 * std::max(numbers, g.a.inputs * g.a.in_map()));
  T* other = gradient + std::max(numbers, g.a.inputs * g.a.in_map());
  normalise_gradients(channels, n, r.convolved_b, r.scale_b, of_b, of_b + channels, dy, gradient, r.dscale_b, r.dshift_b);
  if (r.dconv_b) weight_gradients<true, T>({{g.b, gradient, n, r.dconv_b}}, r.normalised_a);
  if (g.tiled()) {
    input_gradient_by_tiles(g.b, gradient, r.conv_b, r.normalised_a, other);
  } else {
    input_gradient(g.b, gradient, r.conv_b, other);
    gate(numbers, r.normalised_a, other, other);
  }
  normalise_gradients(channels, n, r.convolved_a, r.scale_a, of_a, of_a + channels, other, gradient, r.dscale_a, r.dshift_a);
  if (r.dconv_a) weight_gradients<true, T>({{g.a, gradient, n, r.dconv_a}}, x);
  if (r.dshortcut) weight_gradients<false, T>({{g.shortcut, dy, n, r.dshortcut}}, r.halved);
  input_gradient(g.a, gradient, r.conv_a, other);
  gate(g.a.inputs * g.a.in_map(), x, other, dx);
  input_gradient(g.shortcut, dy, r.shortcut, gradient);
  halve<T>(g.a, dx, gradient);
}

// ---- The classifier: ReLU, mean over the pixels, linear layer ----

inline Geometry linear(const int64_t* shape, int64_t classes) { return {shape[3], shape[0], 1, 1, classes, 1, 1, 1, 1}; }

// logits (classes, B) and the features (C, B) that they are made of, for x (C, H, W, B).
template <class T>
void classify(const int64_t* shape, int64_t classes, const T* x, const T* w, const T* bias, T* features, T* logits) {
  int64_t pixels = shape[1] * shape[2], batch = shape[3];
#pragma omp parallel for
  for (int64_t c = 0; c < shape[0]; ++c) {
    T* to = features + c * batch;
    std::fill(to, to + batch, T(0));
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t b = 0; b < batch; ++b) to[b] += relu(x[(c * pixels + p) * batch + b]);
    for (int64_t b = 0; b < batch; ++b) to[b] /= T(pixels);
  }
  convolution<false>(linear(shape, classes), features, w, logits);
  for (int64_t k = 0; k < classes; ++k)
    for (int64_t b = 0; b < batch; ++b) logits[k * batch + b] += bias[k];
}

template <class T>
void classify_gradient(const int64_t* shape, int64_t classes, const T* x, const T* w, const T* features, const T* dlogits,
                       T* dx, T* dw, T* dbias) {
  int64_t pixels = shape[1] * shape[2], batch = shape[3];
  Geometry g = linear(shape, classes);
  if (dw) weight_gradient(g, dlogits, features, dw);
  if (dbias)
    for (int64_t k = 0; k < classes; ++k) dbias[k] = sum(dlogits + k * batch, batch);
  T* dfeatures = work_space<T>(GRADIENTS, shape[0] * batch);
  input_gradient(g, dlogits, w, dfeatures);
#pragma omp parallel for
  for (int64_t c = 0; c < shape[0]; ++c)
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t b = 0; b < batch; ++b) {
        int64_t i = (c * pixels + p) * batch + b;
        dx[i] = x[i] > 0 ? dfeatures[c * batch + b] / T(pixels) : 0;
      }
}

// ---- A sum of maps with weights ----

// y (channels, n) = Σ weights[t] · terms[t], in which a null is a map of ones.
template <class T>
void weighted_sum(int64_t channels, int64_t n, int64_t count, const T* weights, const T* const* terms, T* y) {
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c)
    for_numbers<T>(
        n,
        [&](int64_t i) {
          Register<T> sum = {};
          for (int64_t t = 0; t < count; ++t)
            sum = fma(all(weights[t]), terms[t] ? load(terms[t] + c * n + i) : all(T(1)), sum);
          store(y + c * n + i, sum);
        },
        [&](int64_t i) {
          T sum = 0;
          for (int64_t t = 0; t < count; ++t) sum = fma(weights[t], terms[t] ? terms[t][c * n + i] : T(1), sum);
          y[c * n + i] = sum;
        });
}

// dterms[t] = weights[t] · dy, where wanted, and dweights[t] = Σ dy · terms[t].
template <class T>
void weighted_sum_gradient(int64_t channels, int64_t n, int64_t count, const T* weights, const T* const* terms, const T* dy,
                           T* const* dterms, T* dweights) {
  T* shares = work_space<T>(MOMENTS, channels * count);
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < count; ++t) {
      const T* of_channel = dy + c * n;
      shares[c * count + t] = terms[t] ? dot(of_channel, terms[t] + c * n, n) : sum(of_channel, n);
      if (dterms[t])
        for (int64_t i = 0; i < n; ++i) dterms[t][c * n + i] = weights[t] * of_channel[i];
    }
  for (int64_t t = 0; t < count; ++t) {
    dweights[t] = 0;
    for (int64_t c = 0; c < channels; ++c) dweights[t] += shares[c * count + t];
  }
}

}  // namespace
