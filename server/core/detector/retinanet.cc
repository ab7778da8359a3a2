#include "server/core/detector/retinanet.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <stdexcept>

#include "server/core/detector/network_modules.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

RetinaNet::NamedTensors Named(const torch::OrderedDict<std::string, torch::Tensor>& tensors) {
  RetinaNet::NamedTensors out;
  for (const auto& entry : tensors) out.emplace_back(entry.key(), entry.value());
  return out;
}

}  // namespace

class RetinaNet::Modules : public torch::nn::Module {
 public:
  Modules(const DetectorConfig& config, uint64_t seed);

  std::shared_ptr<TrunkImpl> body;
  Pyramid pyramid{nullptr};
  Head classes{nullptr}, boxes{nullptr};

 private:
  void Initialize(uint64_t seed);
};

RetinaNet::Modules::Modules(const DetectorConfig& config, uint64_t seed) {
  Group backbone, head;
  body = backbone->Add("body", MakeTrunk(config));
  const std::vector<int64_t>& channels = body->channels();
  pyramid = backbone->Add(
      "fpn", Pyramid(std::vector<int64_t>(channels.begin() + config.min_level - 2, channels.end()),
                     config));
  classes = head->Add("classification_head", Head(config, "cls_logits", config.num_classes));
  boxes = head->Add("regression_head", Head(config, "bbox_reg", 4));
  register_module("backbone", backbone);
  register_module("head", head);
  Initialize(seed);
  to(torch::kCPU, torch::kFloat);
  for (torch::Tensor& p : parameters()) {
    if (p.dim() == 4) p.set_data(p.contiguous(at::MemoryFormat::ChannelsLast));
  }
  if (config.frozen_trunk) {
    for (torch::Tensor& p : body->parameters()) p.requires_grad_(false);
  }
  eval();
}

void RetinaNet::Modules::Initialize(uint64_t seed) {
  torch::NoGradGuard no_grad;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& entry : named_parameters()) {
    const std::string& name = entry.key();
    torch::Tensor& p = entry.value();
    if (p.dim() == 4) {
      const bool head = name.rfind("head.", 0) == 0;
      const bool last = name.find("cls_logits") != std::string::npos ||
                        name.find("bbox_reg") != std::string::npos;
      const bool body = name.find(".body.") != std::string::npos;
      const double fan = p.size(1) * p.size(2) * p.size(3);
      const double fan_out = p.size(0) * p.size(2) * p.size(3);
      double std_dev = body ? std::sqrt(2 / fan_out) : std::sqrt(1 / fan);
      if (head) std_dev = std::sqrt(2 / fan);
      if (last) std_dev = 0.01;
      p.normal_(0, std_dev, generator);
    } else if (name.find("cls_logits.bias") != std::string::npos) {
      p.fill_(-std::log((1 - 0.01) / 0.01));
    } else if (name.size() > 5 && name.compare(name.size() - 5, 5, ".bias") == 0) {
      p.zero_();
    } else {
      p.fill_(1);
    }
  }
}

NetInput NetInput::Slice(int64_t first, int64_t last) const {
  NetInput part{{}, {}, height, width};
  if (images.defined()) part.images = images.slice(0, first, last);
  for (const at::Tensor& level : features) part.features.push_back(level.slice(0, first, last));
  return part;
}

NetInput NetInput::To(c10::Device device) const {
  NetInput moved{{}, {}, height, width};
  if (images.defined()) moved.images = images.to(device);
  for (const at::Tensor& level : features) moved.features.push_back(level.to(device));
  return moved;
}

RetinaNet::RetinaNet(const DetectorConfig& config, uint64_t seed)
    : config_(config), modules_(std::make_shared<Modules>(config, seed)) {}
RetinaNet::~RetinaNet() = default;

std::vector<at::Tensor> RetinaNet::Features(const at::Tensor& images) {
  std::vector<at::Tensor> features = modules_->body->forward(images);
  features.erase(features.begin(), features.begin() + config_.min_level - 2);
  return features;
}

RawOutput RetinaNet::Forward(const at::Tensor& images) {
  return Forward(NetInput{images, {}, images.size(2), images.size(3)});
}

RawOutput RetinaNet::Forward(const NetInput& input) {
  RawOutput out;
  out.features =
      modules_->pyramid->forward(input.images.defined() ? Features(input.images) : input.features);
  std::vector<at::Tensor> logits, deltas;
  for (size_t level = 0; level < out.features.size(); ++level) {
    logits.push_back(modules_->classes->forward(out.features[level], level));
    deltas.push_back(modules_->boxes->forward(out.features[level], level));
    out.level_anchors.push_back(logits.back().size(1));
  }
  out.logits = at::cat(logits, 1);
  out.deltas = at::cat(deltas, 1);
  return out;
}

at::Tensor RetinaNet::Anchors(int64_t height, int64_t width) const {
  std::vector<at::Tensor> levels;
  const AnchorShape shape{config_.anchor_scales, config_.anchor_ratios};
  for (int level = config_.min_level; level <= config_.max_level; ++level) {
    const int64_t stride = int64_t{1} << level;
    levels.push_back(MakeAnchors({stride, config_.anchor_scale * stride}, shape, height, width));
  }
  return at::cat(levels, 0);
}

std::vector<int64_t> RetinaNet::LevelAnchors(int64_t height, int64_t width) const {
  std::vector<int64_t> counts;
  for (int level = config_.min_level; level <= config_.max_level; ++level) {
    const int64_t stride = int64_t{1} << level;
    counts.push_back((height + stride - 1) / stride * ((width + stride - 1) / stride) *
                     config_.anchors_per_position());
  }
  return counts;
}

RetinaNet::NamedTensors RetinaNet::Parameters() const {
  return Named(modules_->named_parameters());
}

RetinaNet::NamedTensors RetinaNet::Buffers() const { return Named(modules_->named_buffers()); }

std::map<std::string, at::Tensor> RetinaNet::State() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : Parameters()) state[name] = tensor.detach();
  for (const auto& [name, tensor] : Buffers()) state[name] = tensor;
  return state;
}

void RetinaNet::SetState(const std::map<std::string, at::Tensor>& state) {
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

void RetinaNet::SetTrunk(const std::map<std::string, at::Tensor>& state) {
  std::map<std::string, at::Tensor> all = State();
  const std::string prefix = "backbone.body.";
  for (auto entry = all.begin(); entry != all.end();) {
    entry = entry->first.rfind(prefix, 0) == 0 ? all.erase(entry) : std::next(entry);
  }
  for (const auto& [name, tensor] : state) all[prefix + name] = tensor;
  SetState(all);
}

void RetinaNet::SetTraining(bool on) {
  modules_->train(on);
  if (config_.frozen_trunk) modules_->body->eval();
}
bool RetinaNet::training() const { return modules_->is_training(); }
void RetinaNet::ClearGradients() { modules_->zero_grad(); }
void RetinaNet::MoveTo(c10::Device device) { modules_->to(device); }
c10::Device RetinaNet::device() const { return modules_->body->parameters().front().device(); }

}  // namespace mgral::core
