// A detector's work on tensors from a file, for tests beside PyTorch:
//   network_driver WHAT CONFIG STATE INPUT OUTPUT
// CONFIG as in weights files ("depth=50 ..."), STATE a file of torch.save, INPUT and OUTPUT
// safetensors. WHAT is one of
//   predict  image.KEY, uint8 [3, H, W] -> boxes.KEY, scores.KEY, and labels.KEY (from 0), picked
//   as
//            DefaultPredictConfig says
//   loss     images with boxes.KEY and labels.KEY, one minibatch -> loss, and grad.NAME of each
//            parameter; norms are frozen, and everything that could be sampled is
//   trunk    STATE of the trunk alone; images, float [B, 3, H, W], normalized -> c2 .. c5
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/net_inputs.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/workers.h"
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

// torchvision's settings of each detector.
TrainConfig TrainConfigOf(Architecture architecture) {
  TrainConfig config;
  config.smooth_l1_beta = 1e-6;  // its RetinaNet has L1
  config.sampled_anchors = config.sampled_proposals = 1000000;
  if (architecture == Architecture::kFasterRcnn) {
    config.positive_iou = 0.7;
    config.negative_iou = 0.3;
  } else if (architecture == Architecture::kSsd300) {
    config.negative_iou = 0.5;
  }
  return config;
}

Tensors LossOf(const Detector& detector, const Tensors& input) {
  std::vector<Sample> samples;
  for (const std::string& key : KeysOf(input, "image.")) {
    Sample sample;
    sample.image = input.at("image." + key);
    sample.boxes = input.at("boxes." + key);
    sample.labels = input.at("labels." + key);
    samples.push_back(CheckedSample(sample, detector.config().num_classes, key));
  }
  Workers workers(1);
  const TrainConfig config = TrainConfigOf(detector.config().architecture);
  const Minibatch batch = NetInputs(detector, nullptr, workers).PlainBatch(samples);
  Network& net = detector.net();
  const Targets targets =
      net.MakeTargets(batch.labels, batch.input.height, batch.input.width, config, {}, 0);
  const at::Tensor loss = net.Loss(batch.input, targets, targets.share, config);
  loss.backward();
  Tensors output = {{"loss", loss.detach()}};
  for (const auto& [name, parameter] : net.Parameters()) {
    if (parameter.grad().defined()) output["grad." + name] = parameter.grad();
  }
  return output;
}

Tensors TrunkFeatures(const Detector& detector, const Tensors& input) {
  c10::NoGradGuard no_grad;
  Tensors output;
  int level = detector.config().min_level;
  for (const at::Tensor& one : detector.net().Features(input.at("images"))) {
    output["c" + std::to_string(level++)] = one;
  }
  return output;
}

void Run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 5) throw std::runtime_error("WHAT CONFIG STATE INPUT OUTPUT");
  const std::string& what = arguments[0];
  Detector detector(ParseDetectorConfig(arguments[1]), 0);
  const Tensors state = ReadPytorchFile(arguments[2], {});
  what == "trunk" ? detector.net().SetTrunk(state) : detector.net().SetState(state);
  const Tensors input = ReadSafetensors(arguments[3], {}).tensors;
  Tensors output;
  if (what == "predict") {
    output = PredictImages(detector, input);
  } else if (what == "loss") {
    output = LossOf(detector, input);
  } else if (what == "trunk") {
    output = TrunkFeatures(detector, input);
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
