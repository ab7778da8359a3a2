#include "server/core/weights/tensor_input.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace mgral::core {
namespace {

constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxDimensions = 8;
constexpr size_t kMaxQuoted = 100;

// Of numbers whose exponent has all its bits set. Looked at as integers: exact for every type.
template <typename Bits>
bool AnyNonFinite(const void* data, int64_t count, Bits exponent) {
  const auto* values = static_cast<const Bits*>(data);
  return std::any_of(values, values + count,
                     [exponent](Bits value) { return (value & exponent) == exponent; });
}

void CheckName(const std::string& name) {
  if (name.empty()) throw std::invalid_argument("a tensor has no name");
  const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (name.size() > kMaxNameBytes || !printable || !IsUtf8(name)) {
    throw std::invalid_argument("the name of tensor " + Quoted(name) +
                                " is not printable UTF-8 of at most " +
                                std::to_string(kMaxNameBytes) + " bytes");
  }
}

}  // namespace

const std::vector<ElementType>& ElementTypes() {
  static const auto* types = new std::vector<ElementType>{
      {at::kDouble, "F64", "torch.DoubleStorage"}, {at::kFloat, "F32", "torch.FloatStorage"},
      {at::kHalf, "F16", "torch.HalfStorage"},     {at::kBFloat16, "BF16", "torch.BFloat16Storage"},
      {at::kLong, "I64", "torch.LongStorage"},     {at::kInt, "I32", "torch.IntStorage"},
      {at::kShort, "I16", "torch.ShortStorage"},   {at::kChar, "I8", "torch.CharStorage"},
      {at::kByte, "U8", "torch.ByteStorage"},      {at::kBool, "BOOL", "torch.BoolStorage"},
  };
  return *types;
}

uint64_t TensorBudget::Take(const std::string& name, const std::vector<int64_t>& shape,
                            at::ScalarType type) {
  CheckName(name);
  if (++tensors_ > limits_.max_tensors) {
    throw std::invalid_argument("more than " + std::to_string(limits_.max_tensors) + " tensors");
  }
  if (shape.size() > kMaxDimensions) {
    throw std::invalid_argument("tensor " + Quoted(name) + " has " + std::to_string(shape.size()) +
                                " dimensions; at most " + std::to_string(kMaxDimensions));
  }
  // A zero does not excuse the other sizes: LibTorch multiplies them, too.
  uint64_t bytes = c10::elementSize(type);
  bool empty = false, fits = true;
  for (const int64_t size : shape) {
    if (size < 0) throw std::invalid_argument("tensor " + Quoted(name) + " has a negative size");
    empty = empty || size == 0;
    fits = fits && !__builtin_mul_overflow(bytes, std::max<uint64_t>(size, 1), &bytes) &&
           bytes <= limits_.max_tensor_bytes;
  }
  if (!fits || bytes > limits_.max_tensor_bytes - (empty ? 0 : bytes_)) {
    throw std::invalid_argument("tensor " + Quoted(name) + " takes the tensors beyond " +
                                std::to_string(limits_.max_tensor_bytes) + " bytes");
  }
  if (empty) return 0;
  bytes_ += bytes;
  return bytes;
}

InputFile::InputFile(const std::string& path, uint64_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw std::runtime_error("cannot read " + FileName(path) + ": " +
                             (error ? error.message() : "not a regular file"));
  }
  in_.open(path, std::ios::binary | std::ios::ate);
  if (!in_) throw std::runtime_error("cannot read " + FileName(path) + ": " + std::strerror(errno));
  size_ = static_cast<uint64_t>(in_.tellg());
  if (size_ > max_bytes) {
    throw std::invalid_argument("larger than " + std::to_string(max_bytes) + " bytes");
  }
}

std::string InputFile::Read(uint64_t offset, uint64_t count) {
  if (offset > size_ || count > size_ - offset) throw std::invalid_argument("cut short");
  std::string bytes(count, '\0');
  ReadInto(offset, count, bytes.data());
  return bytes;
}

at::Tensor InputFile::ReadElements(const std::string& what, uint64_t offset, at::ScalarType type,
                                   int64_t count) {
  const uint64_t size = c10::elementSize(type);
  if (offset > size_ || count < 0 || static_cast<uint64_t>(count) > (size_ - offset) / size) {
    throw std::invalid_argument(what + " is cut short");
  }
  at::Tensor elements = at::empty({count}, at::TensorOptions().dtype(type));
  const uint64_t bytes = static_cast<uint64_t>(count) * size;
  if (bytes > 0) ReadInto(offset, bytes, elements.data_ptr());
  if (type == at::kBool) {
    const auto* booleans = static_cast<const uint8_t*>(elements.data_ptr());
    if (std::any_of(booleans, booleans + count, [](uint8_t boolean) { return boolean > 1; })) {
      throw std::invalid_argument(what + " holds a boolean that is neither 0 nor 1");
    }
  }
  return elements;
}

void InputFile::ReadInto(uint64_t offset, uint64_t count, void* to) {
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(offset));
  in_.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
  if (!in_) throw std::invalid_argument("cut short");  // since it was opened
}

void CheckFinite(const std::string& name, const at::Tensor& tensor) {
  const void* data = tensor.data_ptr();
  const int64_t count = tensor.numel();
  bool wrong = false;
  switch (tensor.scalar_type()) {
    case at::kDouble:
      wrong = AnyNonFinite<uint64_t>(data, count, uint64_t{0x7ff} << 52);
      break;
    case at::kFloat:
      wrong = AnyNonFinite<uint32_t>(data, count, uint32_t{0xff} << 23);
      break;
    case at::kHalf:
      wrong = AnyNonFinite<uint16_t>(data, count, 0x7c00);
      break;
    case at::kBFloat16:
      wrong = AnyNonFinite<uint16_t>(data, count, 0x7f80);
      break;
    default:
      break;
  }
  if (wrong) throw std::invalid_argument("tensor " + Quoted(name) + " holds NaN or infinity");
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4) return false;
    uint32_t code = lead & (0x3f >> more);
    for (int k = 0; k < more; ++k) {
      if (i == text.size() || (text[i] & 0xc0) != 0x80) return false;
      code = code << 6 | (text[i++] & 0x3f);
    }
    const bool shorter_form = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (shorter_form || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxQuoted)) quoted += c >= 0x20 && c < 0x7f ? c : '?';
  return quoted + (text.size() > kMaxQuoted ? "...\"" : "\"");
}

}  // namespace mgral::core
