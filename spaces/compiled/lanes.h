// Vector registers, and the one order in which many numbers are summed up.
//
// A register holds 8 floats (x86-64-v3, AVX2) or 16 (x86-64-v4, AVX-512), and nothing that is computed may show which. So
// every sum over many numbers is made in 16 lanes of float, or 8 of double, whatever the register: number i goes to lane
// i mod 16, and the lanes are added last, as a tree. Multiply-adds are rounded once, and only where `fma` is written: the
// files are compiled without contraction.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int REGISTER_BYTES = 64;
#elif defined(__AVX2__)
constexpr int REGISTER_BYTES = 32;
#else
constexpr int REGISTER_BYTES = 16;
#endif

template <class T>
struct RegisterOf {
  typedef T type __attribute__((vector_size(REGISTER_BYTES)));
};
template <class T>
using Register = typename RegisterOf<T>::type;

// Numbers in a register, lanes of a sum, and registers that make up the lanes.
template <class T>
constexpr int WIDTH = REGISTER_BYTES / sizeof(T);
template <class T>
constexpr int LANES = 64 / sizeof(T);
constexpr int PARTS = 64 / REGISTER_BYTES;

template <class T>
inline Register<T> load(const T* from) {
  Register<T> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
inline void store(T* to, Register<T> value) { std::memcpy(to, &value, sizeof value); }

// The first `count` numbers of a register, or all of it; a load puts zeros behind them.
template <class T>
inline Register<T> load_some(const T* from, int64_t count) {
  if (count >= WIDTH<T>) return load(from);
  Register<T> value = {};
  if (count > 0) std::memcpy(&value, from, count * sizeof(T));
  return value;
}
template <class T>
inline void store_some(T* to, Register<T> value, int64_t count) {
  if (count >= WIDTH<T>)
    store(to, value);
  else if (count > 0)
    std::memcpy(to, &value, count * sizeof(T));
}

// Asks for `count` numbers that are needed soon, where the processor would not guess it.
template <class T>
inline void prefetch(const T* from, int64_t count) {
  for (int64_t i = 0; i < count; i += LANES<T>) __builtin_prefetch(from + i);
}

template <class T>
inline Register<T> all(T value) { return value - Register<T>{}; }

// a · b + c, rounded once.
inline float fma(float a, float b, float c) { return std::fma(a, b, c); }
inline double fma(double a, double b, double c) { return std::fma(a, b, c); }
#if defined(__AVX512F__)
inline Register<float> fma(Register<float> a, Register<float> b, Register<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Register<double> fma(Register<double> a, Register<double> b, Register<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__)
inline Register<float> fma(Register<float> a, Register<float> b, Register<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Register<double> fma(Register<double> a, Register<double> b, Register<double> c) { return _mm256_fmadd_pd(a, b, c); }
#else
template <class V>
inline V fma(V a, V b, V c) {
  for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return c;
}
#endif

template <class T>
inline T relu(T value) { return value > 0 ? value : 0; }
inline Register<float> relu(Register<float> value) { return value > 0 ? value : Register<float>{}; }
inline Register<double> relu(Register<double> value) { return value > 0 ? value : Register<double>{}; }

// The lanes of a sum.
template <class T>
struct Lanes {
  Register<T> part[PARTS] = {};

  void add(int lane, T value) { part[lane / WIDTH<T>][lane % WIDTH<T>] += value; }
  T total() {  // lane i and lane i + half, again and again
    T lanes[LANES<T>];
    std::memcpy(lanes, part, sizeof lanes);
    for (int half = LANES<T> / 2; half; half /= 2)
      for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
  }
};

// Σ term(0) … term(n - 1): number i goes to lane i mod 16 of the sum i / 16 mod 4, so that none waits for the last
// addition; those four are added, then the lanes. `whole(i)` is term(i) of a register, `single(i)` of one number.
template <class T, class Whole, class Single>
inline T sum_of(int64_t n, Whole whole, Single single) {
  Lanes<T> sums[4];
  int64_t i = 0;
  for (; i + 4 * LANES<T> <= n; i += 4 * LANES<T>)
    for (int s = 0; s < 4; ++s)
      for (int p = 0; p < PARTS; ++p) sums[s].part[p] += whole(i + s * LANES<T> + p * WIDTH<T>);
  for (int s = 0; i < n; ++s, i += LANES<T>)
    for (int lane = 0; lane < std::min<int64_t>(LANES<T>, n - i); ++lane) sums[s].add(lane, single(i + lane));
  for (int p = 0; p < PARTS; ++p)
    sums[0].part[p] = (sums[0].part[p] + sums[1].part[p]) + (sums[2].part[p] + sums[3].part[p]);
  return sums[0].total();
}

// Work space that a thread keeps from call to call, since fresh memory costs as much as what is done in it. Each purpose
// has a slot of its own.
enum Slot { TILES, POINTS, PRODUCTS, MOMENTS, GRADIENTS, KERNELS, PIXELS, PARTIAL_SUMS, SLOTS };
template <class T>
T* work_space(Slot slot, int64_t numbers) {
  static thread_local std::vector<T> kept[SLOTS];
  auto& space = kept[slot];
  if (int64_t(space.size()) < numbers + LANES<T>) space.resize(numbers + LANES<T>);
  auto address = reinterpret_cast<std::uintptr_t>(space.data());
  return reinterpret_cast<T*>((address + 63) / 64 * 64);
}

}  // namespace
