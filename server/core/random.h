#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

// All randomness of core. Everything is drawn from std::mt19937_64 by formulas of our own: the
// distributions of <random> differ between standard libraries, and results must not.
namespace mgral::core {

// Uniform in [0, 1) with 53 bits.
inline double UniformFrom(std::mt19937_64& engine) {
  return static_cast<double>(engine() >> 11) * 0x1.0p-53;
}

// Uniform in [low, high).
inline double UniformFrom(std::mt19937_64& engine, double low, double high) {
  return low + (high - low) * static_cast<double>(engine() >> 11) * 0x1.0p-53;
}

// A seeded sequence of draws, for work that runs from its beginning to its end. Not thread-safe.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : engine_(seed) {}

  double Uniform() { return UniformFrom(engine_); }  // [0, 1)

  int64_t Below(int64_t n) {  // [0, n), n > 0
    return std::min<int64_t>(n - 1, static_cast<int64_t>(Uniform() * static_cast<double>(n)));
  }

  double Normal() {  // Box-Muller, one of the pair
    const double u = 1.0 - Uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * Uniform());
  }

  template <typename T>
  void Shuffle(std::vector<T>* items) {
    for (size_t i = items->size(); i > 1; --i) {
      std::swap((*items)[i - 1], (*items)[Below(static_cast<int64_t>(i))]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

// A seed that depends on its four arguments alone: what is drawn at (step, slot) does not depend on
// what was drawn before, so that training resumes anywhere without a saved state. SplitMix64
// (Steele et al. 2014) as the mixer.
inline uint64_t MixSeed(uint64_t seed, uint64_t stream, uint64_t step, uint64_t slot) {
  uint64_t x = seed;
  for (uint64_t part : {stream, step, slot}) {
    x += 0x9e3779b97f4a7c15ULL + part;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x ^= x >> 31;
  }
  return x;
}

inline std::mt19937_64 RandomAt(uint64_t seed, uint64_t stream, uint64_t step, uint64_t slot) {
  return std::mt19937_64(MixSeed(seed, stream, step, slot));
}

}  // namespace mgral::core
