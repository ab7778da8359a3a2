// What PyTorch computes or writes, computed or read by us; for tests in Python. Tensors go in and
// out as safetensors.
//
//   torch_driver features STATE.pth IN OUT   EfficientNet-Lite0's features c2 .. c5 of the tensor
//                                            "images": float [B, 3, H, W], normalized
//   torch_driver read STATE.pth OUT          the tensors of a state dict
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/retinanet.h"
#include "server/core/weights/pytorch_file.h"
#include "server/core/weights/safetensors.h"

namespace mgral::core {
namespace {

void Features(const std::string& state, const std::string& in, const std::string& out) {
  c10::NoGradGuard no_grad;
  DetectorConfig config;
  config.trunk = Trunk::kEfficientNetLite0;
  config.min_level = 2;
  RetinaNet net(config, 0);
  net.SetTrunk(FoldedEfficientNetLite(ReadPytorchFile(state, {})));
  Safetensors features;
  int level = config.min_level;
  for (const at::Tensor& one : net.Features(ReadSafetensors(in, {}).tensors.at("images"))) {
    features.tensors["c" + std::to_string(level++)] = one;
  }
  WriteSafetensors(out, features);
}

int Run(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[0] == "features") {
    Features(words[1], words[2], words[3]);
  } else if (words.size() == 3 && words[0] == "read") {
    WriteSafetensors(words[2], {ReadPytorchFile(words[1], {}), {}});
  } else {
    std::fprintf(stderr, "usage: torch_driver features STATE.pth IN OUT | read STATE.pth OUT\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace mgral::core

int main(int argc, char** argv) {
  try {
    return mgral::core::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
