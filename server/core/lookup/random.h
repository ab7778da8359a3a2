#ifndef MGRAL_SERVER_CORE_LOOKUP_RANDOM_H_
#define MGRAL_SERVER_CORE_LOOKUP_RANDOM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace mgral::core {

// A seeded stream whose numbers are the same with every standard library (the distributions of
// <random> are not). Not thread-safe.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : engine_(seed) {}

  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }  // [0, 1)

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

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_RANDOM_H_
