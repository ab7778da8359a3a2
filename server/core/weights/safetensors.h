#pragma once

#include <map>
#include <string>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {

// A file of the safetensors format: named tensors, and texts about them ("__metadata__").
struct Safetensors {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
};

// Tensors are contiguous, on the CPU, and own their memory. Throws std::runtime_error naming the
// file, and the tensor where one is to blame. Any thread.
Safetensors ReadSafetensors(const std::string& path, const TensorLimits& limits);

// Whether the file begins as one does, whatever it is called. False if it cannot be read.
bool IsSafetensors(const std::string& path);

// Tensors of any device and layout. The same tensors and texts make the same bytes. Through a
// temporary file beside it, renamed at the end: a reader never sees half a file. Throws
// std::system_error naming the file, with the errno value, where the disk is to blame;
// std::runtime_error naming the file and the tensor if the format does not have its name or type.
void WriteSafetensors(const std::string& path, const Safetensors& file);

}  // namespace mgral::core
