// A random source whose numbers are the same with every compiler and standard library: the
// distributions of <random> are not, and a dataset or an initial label set must be reproducible
// from its seed alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace mgral::client {

// SplitMix64 (Steele, Lea, Flood 2014): mixes `value` into 64 well-spread bits.
inline uint64_t MixBits(uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// Not thread-safe; give each thread its own.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed, uint64_t stream = 0)
      : state_(MixBits(seed) ^ MixBits(~stream)) {}

  uint64_t Next() { return MixBits(state_++); }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }

  // In [0, count); `count` > 0.
  size_t Index(size_t count) { return static_cast<size_t>(Next() % count); }

  bool Chance(double probability) { return Uniform() < probability; }

  // Fisher-Yates.
  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Index(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace mgral::client
