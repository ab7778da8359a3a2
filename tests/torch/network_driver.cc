// A detector's work on tensors from a file, for tests beside PyTorch:
//   network_driver predict CONFIG STATE INPUT OUTPUT
// CONFIG as in weights files ("depth=50 ..."), STATE a file of torch.save, INPUT and OUTPUT
// safetensors. From each image.KEY, uint8 [3, H, W], come boxes.KEY, scores.KEY, and labels.KEY
// (from 0), picked as DefaultPredictConfig says.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/weights/pytorch_file.h"
#include "server/core/weights/safetensors.h"

namespace mgral::core {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

// What stands behind `prefix` in the name of each tensor that has it.
std::vector<std::string> KeysOf(const Tensors& tensors, const std::string& prefix) {
  std::vector<std::string> keys;
  for (const auto& [name, tensor] : tensors) {
    if (name.rfind(prefix, 0) == 0) keys.push_back(name.substr(prefix.size()));
  }
  return keys;
}

Tensors PredictImages(const Detector& detector, const Tensors& input) {
  Tensors output;
  for (const std::string& key : KeysOf(input, "image.")) {
    const auto found =
        Predict(detector, {input.at("image." + key)}, DefaultPredictConfig(detector.config()))[0];
    std::vector<float> boxes, scores;
    std::vector<int64_t> labels;
    for (const Detection& d : found) {
      boxes.insert(boxes.end(), {d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max});
      scores.push_back(d.score);
      labels.push_back(d.label);
    }
    output["boxes." + key] = at::tensor(boxes).view({-1, 4});
    output["scores." + key] = at::tensor(scores);
    output["labels." + key] = at::tensor(labels, at::kLong);
  }
  return output;
}

void Run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 5) throw std::runtime_error("WHAT CONFIG STATE INPUT OUTPUT");
  const std::string& what = arguments[0];
  Detector detector(ParseDetectorConfig(arguments[1]), 0);
  detector.net().SetState(ReadPytorchFile(arguments[2], {}));
  const Tensors input = ReadSafetensors(arguments[3], {}).tensors;
  Tensors output;
  if (what == "predict") {
    output = PredictImages(detector, input);
  } else {
    throw std::runtime_error("there is no work \"" + what + "\"");
  }
  WriteSafetensors(arguments[4], {output, {}});
}

}  // namespace
}  // namespace mgral::core

int main(int argc, char** argv) {
  try {
    mgral::core::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
