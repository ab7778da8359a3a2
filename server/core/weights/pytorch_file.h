#pragma once

#include <string>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {

// The tensors of a state dict that torch.save wrote, in the ZIP format of PyTorch 1.6 and later or
// in the one before. The pickle in it is read as data by a reader that knows what state dicts
// consist of: nothing in the file is ever executed, and a file that names anything else
// ("os.system", a class of the user's) is refused. Names are flattened as state_dict.h says.
// Tensors are contiguous, on the CPU, and own their memory. Throws std::runtime_error naming the
// file, and the tensor where one is to blame. Any thread.
NamedTensors ReadPytorchFile(const std::string& path, const TensorLimits& limits);

}  // namespace mgral::core
