#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace mgral::cycle {

// Reads what earlier releases wrote: numbers as they lie in memory (little-endian machines),
// strings preceded by their length. Never reads beyond its input, never allocates more than the
// input holds. After the first value that is missing, ok() is false and every value is 0 or empty.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Number() {
    static_assert(std::is_arithmetic<T>::value, "numbers only");
    T value = 0;
    if (Has(sizeof(T))) {
      std::memcpy(&value, rest_.data(), sizeof(T));
      rest_.remove_prefix(sizeof(T));
    }
    return value;
  }
  std::string Text() {
    const uint64_t size = Number<uint64_t>();
    if (!Has(size)) return "";
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  // A count of items of at least `min_size` bytes each.
  uint64_t Count(uint64_t min_size) {
    const uint64_t count = Number<uint64_t>();
    if (count > rest_.size() / min_size) ok_ = false;
    return ok_ ? count : 0;
  }
  bool ok() const { return ok_; }
  // Everything was read and nothing is left over.
  bool Done() const { return ok_ && rest_.empty(); }

 private:
  bool Has(uint64_t size) {
    if (size > rest_.size()) ok_ = false;
    return ok_;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace mgral::cycle
