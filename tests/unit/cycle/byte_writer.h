#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"

namespace mgral::test {

// Writes what ByteReader (server/cycle/legacy_bytes.h) reads, as earlier releases did.
class ByteWriter {
 public:
  template <typename T>
  void Number(T value) {
    static_assert(std::is_arithmetic<T>::value, "numbers only");
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void Text(absl::string_view text) {
    Number<uint64_t>(text.size());
    bytes_.append(text.data(), text.size());
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace mgral::test
