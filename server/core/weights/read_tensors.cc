#include "server/core/weights/read_tensors.h"

#include "server/core/weights/pytorch_file.h"
#include "server/core/weights/safetensors.h"

namespace mgral::core {

NamedTensors ReadTensors(const std::string& path, const TensorLimits& limits) {
  if (IsSafetensors(path)) return ReadSafetensors(path, limits).tensors;
  return ReadPytorchFile(path, limits);
}

}  // namespace mgral::core
