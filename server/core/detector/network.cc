#include "server/core/detector/network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <iterator>
#include <stdexcept>
#include <utility>

#include "server/core/detector/faster_rcnn.h"
#include "server/core/detector/network_modules.h"
#include "server/core/detector/retinanet.h"
#include "server/core/detector/ssd.h"

namespace mgral::core {
namespace {

constexpr char kTrunkPrefix[] = "backbone.body.";

Network::NamedTensors ListOf(const torch::OrderedDict<std::string, torch::Tensor>& tensors) {
  Network::NamedTensors out;
  for (const auto& entry : tensors) out.emplace_back(entry.key(), entry.value());
  return out;
}

}  // namespace

BoxF NetInput::ContentOf(int64_t image) const {
  if (!content.empty()) return content.at(image);
  return {0, 0, static_cast<float>(width), static_cast<float>(height)};
}

NetInput NetInput::Slice(int64_t first, int64_t last) const {
  NetInput part{{}, {}, height, width, {}};
  if (images.defined()) part.images = images.slice(0, first, last);
  for (const at::Tensor& level : features) part.features.push_back(level.slice(0, first, last));
  if (!content.empty()) part.content = {content.begin() + first, content.begin() + last};
  return part;
}

NetInput NetInput::To(c10::Device device) const {
  NetInput moved{{}, {}, height, width, content};
  if (images.defined()) moved.images = images.to(device);
  for (const at::Tensor& level : features) moved.features.push_back(level.to(device));
  return moved;
}

std::unique_ptr<Network> MakeNetwork(const DetectorConfig& config, uint64_t seed) {
  switch (config.architecture) {
    case Architecture::kFasterRcnn:
      return std::make_unique<FasterRcnn>(config, seed);
    case Architecture::kSsd300:
      return std::make_unique<Ssd>(config, seed);
    case Architecture::kRetinaNet:
      break;
  }
  return std::make_unique<RetinaNet>(config, seed);
}

Network::Network(const DetectorConfig& config, std::shared_ptr<NetworkModules> modules)
    : config_(config), modules_(std::move(modules)) {
  modules_->Prepare(config);
}
Network::~Network() = default;

RawOutput Network::ForwardImages(const at::Tensor& images) {
  return Forward(NetInput{images, {}, images.size(2), images.size(3), {}});
}

std::vector<at::Tensor> Network::Features(const at::Tensor& images) {
  return modules_->Features(images);
}

Targets Network::MakeTargets(const std::vector<Sample>& labels, int64_t height, int64_t width,
                             const TrainConfig& config, const at::Tensor& class_weights,
                             uint64_t /*draw*/) const {
  Targets targets = AssignTargets(labels, Anchors(height, width), LevelAnchors(height, width),
                                  config_.num_classes, config);
  WeighTargets(class_weights, &targets);
  targets.share = class_weights.defined() ? targets.box_weights.sum().item<double>()
                                          : static_cast<double>(targets.positives.size(0));
  return targets;
}

Network::NamedTensors Network::Parameters() const { return ListOf(modules_->named_parameters()); }

Network::NamedTensors Network::Buffers() const { return ListOf(modules_->named_buffers()); }

std::map<std::string, at::Tensor> Network::State() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : Parameters()) state[name] = tensor.detach();
  for (const auto& [name, tensor] : Buffers()) state[name] = tensor;
  return state;
}

std::map<std::string, at::Tensor> Network::FeatureState() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : ListOf(modules_->FeatureTensors())) {
    state[name] = tensor.detach();
  }
  return state;
}

void Network::SetState(const std::map<std::string, at::Tensor>& state) {
  c10::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> own = State();
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

void Network::SetTrunk(const std::map<std::string, at::Tensor>& state) {
  std::map<std::string, at::Tensor> all = State();
  for (auto entry = all.begin(); entry != all.end();) {
    entry = entry->first.rfind(kTrunkPrefix, 0) == 0 ? all.erase(entry) : std::next(entry);
  }
  for (const auto& [name, tensor] : state) all[kTrunkPrefix + name] = tensor;
  SetState(all);
}

void Network::SetTraining(bool on) {
  modules_->train(on);
  if (config_.frozen_trunk) modules_->body()->eval();
}
bool Network::training() const { return modules_->is_training(); }
void Network::ClearGradients() { modules_->zero_grad(); }
void Network::MoveTo(c10::Device device) { modules_->to(device); }
c10::Device Network::device() const { return modules_->parameters().front().device(); }

}  // namespace mgral::core
