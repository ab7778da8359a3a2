#ifndef MGRAL_SERVER_CORE_LOOKUP_BYTES_H_
#define MGRAL_SERVER_CORE_LOOKUP_BYTES_H_

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace mgral::core {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

class ByteWriter {
 public:
  template <typename T>
  void Put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  template <typename T>
  void PutArray(const std::vector<T>& values) {
    Put<uint64_t>(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Throws std::invalid_argument where the input ends too early; never reads or allocates more than
// the input holds. Refers to `bytes`.
class ByteReader {
 public:
  explicit ByteReader(const std::string& bytes) : bytes_(bytes) {}

  template <typename T>
  T Get() {
    Need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  template <typename T>
  std::vector<T> GetArray() {
    const uint64_t count = Get<uint64_t>();
    if (count > (bytes_.size() - at_) / sizeof(T)) throw std::invalid_argument("bytes: cut short");
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), bytes_.data() + at_, count * sizeof(T));
    at_ += count * sizeof(T);
    return values;
  }
  void End() const {
    if (at_ != bytes_.size()) throw std::invalid_argument("bytes: something follows the end");
  }

 private:
  void Need(size_t size) const {
    if (bytes_.size() - at_ < size) throw std::invalid_argument("bytes: cut short");
  }

  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_BYTES_H_
