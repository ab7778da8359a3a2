#include "server/core/detector/detector.h"

#include <ATen/Context.h>

#include <stdexcept>

#include "server/core/detector/retinanet.h"
#include "server/core/detector/state.h"
#include "server/core/detector/weights_file.h"

namespace mgral::core {

Detector::Detector(const DetectorConfig& config, uint64_t seed) : config_(config) {
  CheckConfig(config);
  net_ = std::make_shared<RetinaNetImpl>(config, seed);
}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

Detector Detector::Load(const std::string& path) {
  const TensorFile file = ReadTensorFile(path);
  const auto config = file.texts.find("config");
  const auto weights = file.groups.find("weights");
  if (config == file.texts.end() || weights == file.groups.end()) {
    throw std::runtime_error(path + " is not a mgral weights file: no config or no weights");
  }
  try {
    Detector detector(ParseDetectorConfig(config->second), 0);
    SetState(detector.net(), weights->second);
    return detector;
  } catch (const std::exception& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

Detector Detector::Load(const std::string& path, const DetectorConfig& expected) {
  Detector detector = Load(path);
  const std::string have = ToString(detector.config()), want = ToString(expected);
  if (have != want) {
    throw std::runtime_error(path + " holds a detector with \"" + have + "\", not with \"" + want +
                             "\"");
  }
  return detector;
}

void Detector::Save(const std::string& path) const {
  TensorFile file;
  file.texts["config"] = ToString(config_);
  file.groups["weights"] = GetState(*net_);
  WriteTensorFile(path, file);
}

Detector Detector::Clone() const {
  Detector copy(config_, 0);
  copy.MoveTo(device());
  SetState(copy.net(), GetState(*net_));
  return copy;
}

void Detector::MoveTo(c10::Device device) {
  if (device == this->device()) return;
  if (device.is_cuda()) {
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
  }
  net_->to(device);
}

c10::Device Detector::device() const { return net_->device(); }

int64_t Detector::NumParameters() const {
  int64_t count = 0;
  for (const torch::Tensor& p : net_->parameters()) count += p.numel();
  return count;
}

std::map<std::string, at::Tensor> GetState(const torch::nn::Module& net) {
  std::map<std::string, at::Tensor> state;
  for (const auto& p : net.named_parameters()) state[p.key()] = p.value().detach();
  for (const auto& b : net.named_buffers()) state[b.key()] = b.value();
  return state;
}

void SetState(torch::nn::Module& net, const std::map<std::string, at::Tensor>& state) {
  torch::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> own = GetState(net);
  for (const auto& [name, tensor] : state) {
    if (own.count(name) == 0) throw std::runtime_error("unknown tensor " + name);
  }
  for (const auto& [name, tensor] : own) {
    const auto given = state.find(name);
    if (given == state.end()) {
      // torchvision's frozen norms do not count their batches.
      if (name.find("num_batches_tracked") != std::string::npos) continue;
      throw std::runtime_error("tensor " + name + " is missing");
    }
    if (given->second.sizes() != tensor.sizes()) {
      throw std::runtime_error("tensor " + name + " has another shape than this configuration");
    }
  }
  for (const auto& [name, tensor] : own) {
    const auto given = state.find(name);
    if (given != state.end()) at::Tensor(tensor).copy_(given->second);
  }
}

}  // namespace mgral::core
