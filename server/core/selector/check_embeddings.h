#ifndef MGRAL_SERVER_CORE_SELECTOR_CHECK_EMBEDDINGS_H_
#define MGRAL_SERVER_CORE_SELECTOR_CHECK_EMBEDDINGS_H_

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace mgral::core {

// Throws std::invalid_argument naming `field` unless `values` holds `images` x `dim` numbers.
inline void CheckEmbeddings(const std::vector<float>& values, int64_t images, int64_t dim,
                            const std::string& field) {
  if (images < 0) throw std::invalid_argument("images: must not be negative");
  if (dim < 0) throw std::invalid_argument("dim: must not be negative");
  if (static_cast<int64_t>(values.size()) != images * dim) {
    throw std::invalid_argument(field + ": has a wrong number of values");
  }
  for (float value : values) {
    if (!(std::fabs(value) < 1e15f)) {
      throw std::invalid_argument(field + ": holds a value that is not finite");
    }
  }
}

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_SELECTOR_CHECK_EMBEDDINGS_H_
