// Batch normalisation by the batch's own statistics, and 3 × 3 average pooling.
//
// Order of summation. A channel's mean, and then the squared distances from it, are summed up in lanes (lanes.h), over the
// whole channel or part by part, and the parts in their order. A pooled pixel is the sum of its
// columns of neighbours from left to right, each a chain from its upper pixel on.

#pragma once

#include "lanes.h"

namespace {

constexpr double EPSILON = 1e-5;

// Mean of some numbers, and the sum of their squared distances from it.
template <class T>
struct Moments {
  T mean, squares;
};

template <class T>
inline T sum(const T* x, int64_t n) {
  return sum_of<T>(n, [=](int64_t i) { return load(x + i); }, [=](int64_t i) { return x[i]; });
}

// Σ a · b
template <class T>
inline T dot(const T* a, const T* b, int64_t n) {
  return sum_of<T>(n, [=](int64_t i) { return load(a + i) * load(b + i); }, [=](int64_t i) { return a[i] * b[i]; });
}

// Σ a · (b - mean)
template <class T>
inline T dot_from(const T* a, const T* b, T mean, int64_t n) {
  return sum_of<T>(
      n, [=](int64_t i) { return load(a + i) * (load(b + i) - all(mean)); }, [=](int64_t i) { return a[i] * (b[i] - mean); });
}

template <class T>
Moments<T> moments(const T* x, int64_t n) {
  T mean = sum(x, n) / T(n);
  return {mean, sum_of<T>(
                    n,
                    [=](int64_t i) {
                      auto away = load(x + i) - all(mean);
                      return away * away;
                    },
                    [=](int64_t i) { return (x[i] - mean) * (x[i] - mean); })};
}

// Mean and 1 / √(variance + ε) of a channel, from the moments of its parts, `stride` apart, each of n numbers. Returns the
// variance.
template <class T>
T statistics(const Moments<T>* parts, int64_t stride, int64_t count, int64_t n, T& mean, T& inverse) {
  mean = 0;
  for (int64_t i = 0; i < count; ++i) mean += parts[i * stride].mean / T(count);
  T variance = 0;
  for (int64_t i = 0; i < count; ++i) {
    T away = parts[i * stride].mean - mean;
    variance += (parts[i * stride].squares / T(n) + away * away) / T(count);
  }
  inverse = 1 / std::sqrt(variance + T(EPSILON));
  return variance;
}

// Calls whole(i) for the registers among n numbers and single(i) for the numbers behind the last.
template <class T, class Whole, class Single>
inline void for_numbers(int64_t n, Whole whole, Single single) {
  int64_t i = 0;
  for (; i + WIDTH<T> <= n; i += WIDTH<T>) whole(i);
  for (; i < n; ++i) single(i);
}

// y = (x - mean) · factor + shift, or y += it.
template <bool ADD, class T>
inline void scale_from(int64_t n, const T* x, T mean, T factor, T shift, T* y) {
  for_numbers<T>(
      n,
      [=](int64_t i) {
        Register<T> scaled = fma(load(x + i) - all(mean), all(factor), all(shift));
        store(y + i, ADD ? load(y + i) + scaled : scaled);
      },
      [=](int64_t i) {
        T scaled = fma(x[i] - mean, factor, shift);
        y[i] = ADD ? y[i] + scaled : scaled;
      });
}

// y = or += (x - mean) · inverse · scale + shift, channel by channel of n numbers; `variance` where it is wanted.
template <bool ADD, class T>
void normalise(int64_t channels, int64_t n, const T* x, const T* scale, const T* shift, T* y, T* mean, T* inverse,
               T* variance) {
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c) {
    Moments<T> whole = moments(x + c * n, n);
    T of_channel = statistics(&whole, 1, 1, n, mean[c], inverse[c]);
    if (variance) variance[c] = of_channel;
    scale_from<ADD>(n, x + c * n, mean[c], inverse[c] * scale[c], shift[c], y + c * n);
  }
}

// One channel's gradients of x, scale and shift. The statistics depend on x, so the parts of dy along 1 and x are taken
// out of dx.
template <class T>
void normalise_gradient(int64_t n, const T* x, T scale, T mean, T inverse, const T* dy, T* dx, T& dscale, T& dshift) {
  dshift = sum(dy, n);
  dscale = inverse * dot_from(dy, x, mean, n);
  T along_one = dshift / T(n), along_x = dscale * inverse / T(n), factor = scale * inverse;
  for_numbers<T>(
      n,
      [=](int64_t i) {
        auto rest = load(dy + i) - all(along_one);
        store(dx + i, fma(load(x + i) - all(mean), all(-along_x), rest) * all(factor));
      },
      [=](int64_t i) { dx[i] = fma(x[i] - mean, -along_x, dy[i] - along_one) * factor; });
}

// The gradients of x, scales and shifts of all channels.
template <class T>
void normalise_gradients(int64_t channels, int64_t n, const T* x, const T* scale, const T* mean, const T* inverse,
                         const T* dy, T* dx, T* dscale, T* dshift) {
#pragma omp parallel for
  for (int64_t c = 0; c < channels; ++c)
    normalise_gradient(n, x + c * n, scale[c], mean[c], inverse[c], dy + c * n, dx + c * n, dscale[c], dshift[c]);
}

// ---- Average pooling, 3 × 3, over the neighbours inside the image ----

inline int64_t inside(int64_t at, int64_t size) { return std::min(at + 2, size) - std::max<int64_t>(at - 1, 0); }

// One channel: y = or += the means of x, or, TRANSPOSED, the gradient of what was pooled, given the means' x. Every column of up to three
// pixels is added up once, for the three pixels that it takes part in.
template <bool TRANSPOSED, bool ADD, class T>
void average_pool(int64_t height, int64_t width, int64_t batch, const T* x, T* y) {
  for (int64_t row = 0; row < height; ++row) {
    int64_t top = std::max<int64_t>(row - 1, 0), bottom = std::min(row + 2, height);
    auto share = [=](int64_t i, int64_t j) { return T(1) / T(inside(i, height) * inside(j, width)); };
    auto along = [&](int64_t b, auto zero, auto load, auto store) {
      auto column_sum = [&](int64_t j) {
        auto sum = zero;
        if (j >= width) return sum;
        for (int64_t i = top; i < bottom; ++i) {
          auto pixel = load(x + (i * width + j) * batch + b);
          sum = TRANSPOSED ? fma(pixel, share(i, j) - zero, sum) : sum + pixel;
        }
        return sum;
      };
      auto left = zero, middle = column_sum(0);
      for (int64_t j = 0; j < width; ++j) {
        auto right = column_sum(j + 1), sum = left + middle + right;
        T* to = y + (row * width + j) * batch + b;
        if (!TRANSPOSED) sum *= share(row, j);
        store(to, ADD ? load(to) + sum : sum);
        left = middle, middle = right;
      }
    };
    for_numbers<T>(
        batch,
        [&](int64_t b) {
          along(b, Register<T>{}, [](const T* at) { return ::load(at); }, [](T* to, Register<T> value) { ::store(to, value); });
        },
        [&](int64_t b) { along(b, T(0), [](const T* at) { return *at; }, [](T* to, T value) { *to = value; }); });
  }
}

}  // namespace
