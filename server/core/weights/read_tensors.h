#pragma once

#include <string>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {

// The tensors of a safetensors file, or of a state dict that torch.save wrote: what it is follows
// from its content, not from its name. Throws as ReadSafetensors and ReadPytorchFile.
NamedTensors ReadTensors(const std::string& path, const TensorLimits& limits);

}  // namespace mgral::core
