// The door to Python: every layer under a plain name, for float32 and float64. Pointers are to contiguous numbers.

#include "cell.h"

#define FOR_TYPE(T, suffix)                                                                                           \
  void convolution_##suffix(const int64_t* geometry, const T* x, const T* w, T* y) {                                  \
    convolution(*reinterpret_cast<const Geometry*>(geometry), x, w, y);                                               \
  }                                                                                                                   \
  void input_gradient_##suffix(const int64_t* geometry, const T* dy, const T* w, T* dx) {                             \
    input_gradient(*reinterpret_cast<const Geometry*>(geometry), dy, w, dx);                                          \
  }                                                                                                                   \
  void weight_gradient_##suffix(const int64_t* geometry, const T* dy, const T* x, T* dw) {                            \
    weight_gradient(*reinterpret_cast<const Geometry*>(geometry), dy, x, dw);                                         \
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
