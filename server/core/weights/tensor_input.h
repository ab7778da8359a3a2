#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/core/weights/weights_file.h"

// What the readers of other people's tensor files share. Such a file is hostile: no number in it is
// believed, and nothing is allocated that the file and the limits do not allow. The readers' parts
// throw std::invalid_argument saying what is wrong; NamingFile makes of it what callers see.
namespace mgral::core {

using NamedTensors = std::map<std::string, at::Tensor>;

struct TensorLimits {
  uint64_t max_file_bytes = uint64_t{4} << 30;
  uint64_t max_tensor_bytes = uint64_t{4} << 30;  // of all tensors together
  size_t max_tensors = 20000;
  bool refuse_non_finite = true;  // NaN and infinity in tensors of floating-point numbers
};

// A type of elements, as safetensors ("F32") and PyTorch's storages ("torch.FloatStorage") call it.
struct ElementType {
  at::ScalarType type;
  const char* safetensors;
  const char* storage;
};
const std::vector<ElementType>& ElementTypes();

// Counts the tensors that a file announces, before any of them is allocated.
class TensorBudget {
 public:
  explicit TensorBudget(const TensorLimits& limits) : limits_(limits) {}
  // The tensor's bytes. Throws std::invalid_argument if its name, its number of dimensions, or its
  // size is out of bounds, or it is one too many.
  uint64_t Take(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType type);

 private:
  TensorLimits limits_;
  size_t tensors_ = 0;
  uint64_t bytes_ = 0;
};

class InputFile {
 public:
  // Throws std::runtime_error naming the file if it cannot be opened or is no regular file;
  // std::invalid_argument if it is larger than the limit.
  InputFile(const std::string& path, uint64_t max_bytes);

  uint64_t size() const { return size_; }
  // Throw std::invalid_argument if the file ends before offset + count.
  std::string Read(uint64_t offset, uint64_t count);
  // `count` elements as a tensor of one dimension; also refuses booleans other than 0 and 1. Errors
  // begin with `what`, e.g. a tensor's name.
  at::Tensor ReadElements(const std::string& what, uint64_t offset, at::ScalarType type,
                          int64_t count);

 private:
  void ReadInto(uint64_t offset, uint64_t count, void* to);

  std::ifstream in_;
  uint64_t size_ = 0;
};

// Throws std::invalid_argument if a contiguous tensor of the CPU holds NaN or infinity.
void CheckFinite(const std::string& name, const at::Tensor& tensor);

bool IsUtf8(std::string_view text);
// For messages: in quotation marks, cut where it is long, without what is not printable ASCII.
std::string Quoted(std::string_view text);

// What `work` returns; its std::invalid_argument as a std::runtime_error that names the file.
template <typename F>
auto NamingFile(const std::string& path, F&& work) {
  try {
    return std::forward<F>(work)();
  } catch (const std::invalid_argument& e) {
    throw std::runtime_error(FileName(path) + ": " + e.what());
  }
}

}  // namespace mgral::core
