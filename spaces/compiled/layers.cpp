// The door to Python: every layer under a plain name, for float32 and float64. Pointers are to contiguous numbers, and null
// where something is not wanted.

#include "cell.h"
#include "network.h"

#define FOR_TYPE(T, suffix)                                                                                           \
  void convolution_##suffix(const int64_t* geometry, const T* x, const T* w, T* y) {                                  \
    convolution<false>(*reinterpret_cast<const Geometry*>(geometry), x, w, y);                                        \
  }                                                                                                                   \
  void input_gradient_##suffix(const int64_t* geometry, const T* dy, const T* w, T* dx) {                             \
    input_gradient(*reinterpret_cast<const Geometry*>(geometry), dy, w, dx);                                          \
  }                                                                                                                   \
  void weight_gradient_##suffix(const int64_t* geometry, const T* dy, const T* x, T* dw) {                            \
    weight_gradient(*reinterpret_cast<const Geometry*>(geometry), dy, x, dw);                                         \
  }                                                                                                                   \
  void normalise_##suffix(int64_t channels, int64_t n, const T* x, const T* scale, const T* shift, T* y, T* mean,     \
                          T* inverse, T* variance) {                                                                  \
    normalise<false>(channels, n, x, scale, shift, y, mean, inverse, variance);                                       \
  }                                                                                                                   \
  void normalise_gradient_##suffix(int64_t channels, int64_t n, const T* x, const T* scale, const T* mean,            \
                                   const T* inverse, const T* dy, T* dx, T* dscale, T* dshift) {                      \
    normalise_gradients(channels, n, x, scale, mean, inverse, dy, dx, dscale, dshift);                                \
  }                                                                                                                   \
  void average_pool_##suffix(const int64_t* shape, const T* x, T* y, int64_t transposed) {                            \
    int64_t n = shape[1] * shape[2] * shape[3];                                                                       \
    _Pragma("omp parallel for schedule(dynamic)")                                                                     \
    for (int64_t c = 0; c < shape[0]; ++c)                                                                            \
      (transposed ? average_pool<true, false, T> : average_pool<false, false, T>)(                                    \
          shape[1], shape[2], shape[3], x + c * n, y + c * n);                                                        \
  }                                                                                                                   \
  void cell_space_##suffix(const int64_t* shape, int64_t present, int64_t* numbers) {                                 \
    *numbers = Computation<T>(shape, nullptr, present, {}, nullptr).space;                                            \
  }                                                                                                                   \
  void cell_forward_##suffix(const int64_t* shape, const T* weights, int64_t present, const Ends<T>* ends, T* space) {\
    cell_forward(Computation<T>(shape, weights, present, *ends, space));                                              \
  }                                                                                                                   \
  void cell_backward_##suffix(const int64_t* shape, const T* weights, int64_t present, const Ends<T>* ends, T* space, \
                              T* dy, T* dx, T* const (*dconv)[NODES - 1], T* dweights) {                              \
    cell_backward(Computation<T>(shape, weights, present, *ends, space), dy, dx, dconv, dweights);                    \
  }                                                                                                                   \
  void residual_forward_##suffix(const int64_t* shape, const T* x, T* y, void* const* tensors) {                      \
    residual_forward(shape, x, y, tensors);                                                                           \
  }                                                                                                                   \
  void residual_backward_##suffix(const int64_t* shape, const T* x, const T* dy, T* dx, void* const* tensors) {       \
    residual_backward(shape, x, dy, dx, tensors);                                                                     \
  }                                                                                                                   \
  void classify_##suffix(const int64_t* shape, int64_t classes, const T* x, const T* w, const T* bias, T* features,   \
                         T* logits) {                                                                                 \
    classify(shape, classes, x, w, bias, features, logits);                                                           \
  }                                                                                                                   \
  void classify_gradient_##suffix(const int64_t* shape, int64_t classes, const T* x, const T* w, const T* features,   \
                                  const T* dlogits, T* dx, T* dw, T* dbias) {                                         \
    classify_gradient(shape, classes, x, w, features, dlogits, dx, dw, dbias);                                        \
  }                                                                                                                   \
  void weighted_sum_##suffix(int64_t channels, int64_t n, int64_t count, const T* weights, const T* const* terms,     \
                             T* y) {                                                                                  \
    weighted_sum(channels, n, count, weights, terms, y);                                                              \
  }                                                                                                                   \
  void weighted_sum_gradient_##suffix(int64_t channels, int64_t n, int64_t count, const T* weights,                   \
                                      const T* const* terms, const T* dy, T* const* dterms, T* dweights) {            \
    weighted_sum_gradient(channels, n, count, weights, terms, dy, dterms, dweights);                                  \
  }

extern "C" {
FOR_TYPE(float, float32)
FOR_TYPE(double, float64)
}
