#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "server/core/bytes.h"
#include "server/core/weights/tensor_input.h"
#include "tests/unit/core/error_of.h"

// Files of other people's making, in memory.
namespace mgral::core::testing_support {

using Strings = std::vector<std::string>;

inline const TensorLimits kSmall{uint64_t{16} << 20, uint64_t{1} << 20, 100, true};

template <typename T>
std::string Bytes(T value) {
  ByteWriter writer;
  writer.Put(value);
  return writer.Take();
}

inline std::string Joined(const Strings& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

inline std::string WrittenTo(const std::string& name, const std::string& bytes) {
  const std::string path = testing::TempDir() + "/" + name;
  std::remove(path.c_str());  // writing over a file waits for the disk
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

inline std::string BytesOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct ZipMember {
  std::string name, bytes;
  uint16_t method = 0, flags = 0;
  int64_t announced = -1;  // its size in the directory, if not that of the bytes
  bool in_64 = false;      // its numbers stand in a ZIP64 field
};

// With a ZIP64 end record if any member's numbers stand in ZIP64 fields.
inline std::string Zip(const std::vector<ZipMember>& members) {
  std::string archive, directory;
  bool any_64 = false;
  for (const ZipMember& member : members) {
    const uint64_t size = member.announced < 0 ? member.bytes.size() : member.announced;
    const auto shown = static_cast<uint32_t>(member.in_64 ? 0xffffffff : size);
    const auto name = static_cast<uint16_t>(member.name.size());
    const std::string extra = member.in_64
                                  ? Bytes<uint16_t>(1) + Bytes<uint16_t>(24) + Bytes(size) +
                                        Bytes(size) + Bytes<uint64_t>(archive.size())
                                  : "";
    directory += Bytes<uint32_t>(0x02014b50) + Bytes<uint32_t>(0) + Bytes(member.flags) +
                 Bytes(member.method) + std::string(8, '\0') + Bytes(shown) + Bytes(shown) +
                 Bytes(name) + Bytes(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 Bytes(member.in_64 ? 0xffffffff : static_cast<uint32_t>(archive.size())) +
                 member.name + extra;
    archive += Bytes<uint32_t>(0x04034b50) + Bytes<uint16_t>(0) + Bytes(member.flags) +
               Bytes(member.method) + std::string(16, '\0') + Bytes(name) + Bytes<uint16_t>(0) +
               member.name + member.bytes;
    any_64 = any_64 || member.in_64;
  }
  const uint64_t start = archive.size(), count = members.size();
  archive += directory;
  if (any_64) {
    archive += Bytes<uint32_t>(0x06064b50) + Bytes<uint64_t>(44) + std::string(12, '\0') +
               Bytes(count) + Bytes(count) + Bytes<uint64_t>(directory.size()) + Bytes(start) +
               Bytes<uint32_t>(0x07064b50) + Bytes<uint32_t>(0) +
               Bytes<uint64_t>(start + directory.size()) + Bytes<uint32_t>(1);
  }
  const auto count_16 = static_cast<uint16_t>(count);
  return archive + Bytes<uint32_t>(0x06054b50) + Bytes<uint32_t>(0) + Bytes(count_16) +
         Bytes(count_16) + Bytes(static_cast<uint32_t>(directory.size())) +
         Bytes(static_cast<uint32_t>(start)) + Bytes<uint16_t>(0);
}

// One to four bytes or a range of them changed, taken out, doubled, or cut off.
inline std::string Mutated(std::string bytes, uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); --changes) {
    const size_t at = below(bytes.size()), length = std::min(1 + below(16), bytes.size() - at);
    switch (below(8)) {
      case 0:
        bytes.erase(at, length);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.replace(at, length, std::string(length, below(2) == 0 ? '\xff' : '\x7f'));
        break;
      case 4:
        bytes[at] ^= static_cast<char>(1 << below(8));
        break;
      default:
        bytes[at] = static_cast<char>(random());
    }
  }
  return bytes;
}

// While it lives, the process cannot map much more memory than it has now: what a reader allocates
// for a number in a file fails instead of passing unnoticed. Sanitizers reserve too much for it.
class MemoryBound {
 public:
  MemoryBound() {
#ifndef __SANITIZE_ADDRESS__
    getrlimit(RLIMIT_AS, &before_);
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit bound = before_;
    bound.rlim_cur = pages * 4096 + (size_t{256} << 20);
    setrlimit(RLIMIT_AS, &bound);
#endif
  }
  ~MemoryBound() {
#ifndef __SANITIZE_ADDRESS__
    setrlimit(RLIMIT_AS, &before_);
#endif
  }
  MemoryBound(const MemoryBound&) = delete;
  MemoryBound& operator=(const MemoryBound&) = delete;

 private:
  rlimit before_{};
};

// Reads `count` mutations of the file: each is read or refused by an error that begins with the
// file's name, and nothing else happens. At least one of each kind.
inline void ExpectMutationsAreReadOrRefused(const std::string& bytes, uint32_t count,
                                            const std::function<void(const std::string&)>& read) {
  int was_read = 0, refused = 0;
  const MemoryBound bound;
  for (uint32_t seed = 1; seed <= count; ++seed) {
    const std::string path = WrittenTo("mutated", Mutated(bytes, seed));
    const std::string error = ErrorOf([&] { read(path); });
    ++(error == "no error" ? was_read : refused);
    ASSERT_TRUE(error == "no error" || error.rfind("mutated: ", 0) == 0) << seed << ": " << error;
  }
  EXPECT_GT(was_read, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace mgral::core::testing_support
