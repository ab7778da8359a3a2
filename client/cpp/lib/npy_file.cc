#include "client/cpp/lib/npy_file.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cpp/lib/files.h"

namespace mgral::client {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6;
constexpr size_t kMaxHeaderBytes = 10'000;  // numpy's own limit
constexpr int64_t kMaxNumpySide = int64_t{1} << 31;

// Little-endian, as is every machine that this is built for.
template <typename Number>
Number Load(const char* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

// IEEE 754's binary16.
float FromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  if (exponent == 0) magnitude = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) magnitude = std::numeric_limits<float>::infinity();  // or NaN
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

}  // namespace

std::string NpyMatrix::ReadHeader() {
  const size_t size_bytes = content_.size() > kMagicBytes && content_[kMagicBytes] == 1 ? 2 : 4;
  const size_t start = kMagicBytes + 2 + size_bytes;
  if (content_.size() < start || content_.compare(0, kMagicBytes, kMagic) != 0) {
    return "is not a .npy file (numpy.save)";
  }
  const char* const stored = content_.data() + kMagicBytes + 2;
  const size_t size = size_bytes == 2 ? Load<uint16_t>(stored) : Load<uint32_t>(stored);
  if (size > kMaxHeaderBytes) return absl::StrCat("its header of ", size, " bytes is too long");
  if (size > content_.size() - start) return "is cut short";
  begin_ = start + size;
  // A dictionary as Python prints it, with sorted keys.
  static const std::regex kHeader(R"(\{ *'descr': *'(.{1,20})', *'fortran_order': *(True|False), *)"
                                  R"('shape': *\(([0-9, ]{0,80})\),? *\})");
  static const std::regex kShape(" *([0-9]{1,10}) *, *([0-9]{1,10}) *,? *");
  // Padded with blanks. The limit keeps the recursion of std::regex short.
  const std::string header(
      absl::StripTrailingAsciiWhitespace(absl::string_view(content_).substr(start, size)));
  std::smatch fields, sides;
  if (header.size() > 200 || !std::regex_match(header, fields, kHeader)) {
    return "its header is not numpy's";
  }
  const std::string type = fields[1], shape = fields[3];
  if (type != "<f2" && type != "<f4" && type != "<f8") {
    return absl::StrCat("its numbers are '", type, "'; float16, float32 or float64 are needed");
  }
  if (fields[2] == "True") return "is in Fortran order; save numpy.ascontiguousarray of it";
  number_bytes_ = type[2] - '0';
  if (!std::regex_match(shape, sides, kShape) || !absl::SimpleAtoi(sides[1].str(), &rows_) ||
      !absl::SimpleAtoi(sides[2].str(), &columns_) || rows_ >= kMaxNumpySide ||
      columns_ >= kMaxNumpySide || columns_ == 0) {
    return absl::StrCat("its shape is (", shape, "); [images, numbers of each] is needed");
  }
  return "";
}

absl::StatusOr<NpyMatrix> NpyMatrix::Read(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path);
  if (!content.ok()) return content.status();
  NpyMatrix matrix;
  matrix.content_ = *std::move(content);
  const auto refuse = [&path](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  const std::string wrong = matrix.ReadHeader();
  if (!wrong.empty()) return refuse(wrong);
  // Neither factor is 2^31 or more, nor is the file larger than 4 GiB: nothing overflows.
  const size_t numbers = (matrix.content_.size() - matrix.begin_) / matrix.number_bytes_;
  const bool whole = (matrix.content_.size() - matrix.begin_) % matrix.number_bytes_ == 0;
  if (!whole || static_cast<int64_t>(numbers) != matrix.rows_ * matrix.columns_) {
    return refuse(absl::StrCat("its ", matrix.rows_, " x ", matrix.columns_, " numbers of ",
                               matrix.number_bytes_, " bytes are not what follows the header: ",
                               matrix.content_.size() - matrix.begin_, " bytes"));
  }
  for (int64_t row = 0; row < matrix.rows_; ++row) {
    for (int64_t column = 0; column < matrix.columns_; ++column) {
      if (std::isfinite(matrix.at(row, column))) continue;
      return refuse(absl::StrCat("[", row, ", ", column, "] is not a finite number of float32"));
    }
  }
  return matrix;
}

float NpyMatrix::at(int64_t row, int64_t column) const {
  const char* const bytes = content_.data() + begin_ + (row * columns_ + column) * number_bytes_;
  if (number_bytes_ == 2) return FromHalf(Load<uint16_t>(bytes));
  if (number_bytes_ == 4) return Load<float>(bytes);
  const double wide = Load<double>(bytes);
  return std::abs(wide) <= std::numeric_limits<float>::max()
             ? static_cast<float>(wide)
             : std::numeric_limits<float>::infinity();
}

}  // namespace mgral::client
