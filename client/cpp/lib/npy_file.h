#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace mgral::client {

// A matrix as numpy.save writes it: float16, float32 or float64, little-endian, in C order. All of
// its numbers are finite as float32.
class NpyMatrix {
 public:
  // Reads the file whole and checks all of it. Errors name the file, and the number that is wrong.
  static absl::StatusOr<NpyMatrix> Read(const std::string& path);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  float at(int64_t row, int64_t column) const;

 private:
  // Sets all but content_, by the header. What is wrong; empty if nothing.
  std::string ReadHeader();

  std::string content_;  // of the file
  size_t begin_ = 0;     // of the numbers in it
  int number_bytes_ = 0;
  int64_t rows_ = 0, columns_ = 0;
};

}  // namespace mgral::client
