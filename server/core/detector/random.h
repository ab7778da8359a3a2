#pragma once

#include <cstdint>
#include <random>

namespace mgral::core {

// A generator that depends on its four arguments alone: what is drawn at (step, slot) does not
// depend on what was drawn before, so training resumes anywhere without a saved state.
// SplitMix64 (Steele et al. 2014) as the mixer.
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

// Uniform in [low, high). Not std::uniform_real_distribution, whose results depend on the library.
inline double Uniform(std::mt19937_64& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11) * 0x1.0p-53;
}

}  // namespace mgral::core
