#include "server/core/detector/retinanet.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>

#include "server/core/geometry/anchors.h"

namespace mgral::core {
namespace {

namespace nn = torch::nn;

nn::Conv2d Conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(bias));
}

// A module that only gives its children a name.
class GroupImpl : public nn::Module {
 public:
  template <typename M>
  M Add(const std::string& name, M module) {
    return register_module(name, std::move(module));
  }
};
TORCH_MODULE(Group);

}  // namespace

PyramidImpl::PyramidImpl(const std::vector<int64_t>& in, int64_t out, int extra_levels) {
  Group inner, layer, extra;
  for (size_t i = 0; i < in.size(); ++i) {
    inner_.push_back(inner->Add(std::to_string(i), nn::Sequential(Conv(in[i], out, 1, 1, true))));
    layer_.push_back(layer->Add(std::to_string(i), nn::Sequential(Conv(out, out, 3, 1, true))));
  }
  register_module("inner_blocks", inner);
  register_module("layer_blocks", layer);
  if (extra_levels == 0) return;
  for (int i = 0; i < extra_levels; ++i) {
    extra_.push_back(extra->Add("p" + std::to_string(6 + i), Conv(out, out, 3, 2, true)));
  }
  register_module("extra_blocks", extra);
}

std::vector<torch::Tensor> PyramidImpl::forward(const std::vector<torch::Tensor>& features) {
  std::vector<torch::Tensor> levels(features.size());
  torch::Tensor top;
  for (size_t i = features.size(); i-- > 0;) {
    torch::Tensor inner = inner_[i]->forward(features[i]);
    if (top.defined()) {
      inner = inner + torch::upsample_nearest2d(top, {inner.size(2), inner.size(3)});
    }
    top = inner;
    levels[i] = layer_[i]->forward(inner);
  }
  for (size_t i = 0; i < extra_.size(); ++i) {
    const torch::Tensor& below = levels.back();
    levels.push_back(extra_[i]->forward(i == 0 ? below : below.relu()));
  }
  return levels;
}

HeadImpl::HeadImpl(const DetectorConfig& config, const std::string& last_name, int64_t outputs)
    : outputs_(outputs) {
  const int64_t channels = config.pyramid_channels;
  Group conv;
  for (int i = 0; i < config.head_convs; ++i) {
    Group block;
    convs_.push_back(block->Add("0", Conv(channels, channels, 3, 1, !config.head_norm)));
    if (config.head_norm) {
      // Levels differ in their statistics, so each has its own norm.
      norms_.emplace_back();
      for (int level = 0; level < config.num_levels(); ++level) {
        norms_.back().push_back(block->Add("norm" + std::to_string(config.min_level + level),
                                           nn::BatchNorm2d(channels)));
      }
    }
    conv->Add(std::to_string(i), block);
  }
  register_module("conv", conv);
  last_ = register_module(last_name,
                          Conv(channels, config.anchors_per_position() * outputs, 3, 1, true));
}

torch::Tensor HeadImpl::forward(const torch::Tensor& features, size_t level) {
  torch::Tensor x = features;
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = convs_[i]->forward(x);
    if (!norms_.empty()) x = norms_[i][level]->forward(x);
    x = x.relu_();
  }
  x = last_->forward(x);
  // [B, anchors * outputs, h, w] -> [B, h * w * anchors, outputs]; free for channels_last.
  return x.permute({0, 2, 3, 1}).reshape({x.size(0), -1, outputs_});
}

RetinaNetImpl::RetinaNetImpl(const DetectorConfig& config, uint64_t seed) : config_(config) {
  Group backbone, head;
  body_ = backbone->Add("body", ResNet(config.depth, config.width));
  const std::vector<int64_t>& channels = body_->channels();
  fpn_ = backbone->Add(
      "fpn", Pyramid(std::vector<int64_t>(channels.begin() + config.min_level - 2, channels.end()),
                     config.pyramid_channels, config.max_level - 5));
  classes_ = head->Add("classification_head", Head(config, "cls_logits", config.num_classes));
  boxes_ = head->Add("regression_head", Head(config, "bbox_reg", 4));
  register_module("backbone", backbone);
  register_module("head", head);
  Initialise(seed);
  to(torch::kCPU, torch::kFloat);
  for (torch::Tensor& p : parameters()) {
    if (p.dim() == 4) p.set_data(p.contiguous(at::MemoryFormat::ChannelsLast));
  }
  eval();
}

void RetinaNetImpl::Initialise(uint64_t seed) {
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

RawOutput RetinaNetImpl::forward(const torch::Tensor& images) {
  std::vector<torch::Tensor> features = body_->forward(images);
  features.erase(features.begin(), features.begin() + config_.min_level - 2);
  RawOutput out;
  out.features = fpn_->forward(features);
  std::vector<torch::Tensor> logits, deltas;
  for (size_t level = 0; level < out.features.size(); ++level) {
    logits.push_back(classes_->forward(out.features[level], level));
    deltas.push_back(boxes_->forward(out.features[level], level));
    out.level_anchors.push_back(logits.back().size(1));
  }
  out.logits = torch::cat(logits, 1);
  out.deltas = torch::cat(deltas, 1);
  return out;
}

torch::Tensor RetinaNetImpl::Anchors(int64_t height, int64_t width) const {
  std::vector<torch::Tensor> levels;
  const AnchorShape shape{config_.anchor_scales, config_.anchor_ratios};
  for (int level = config_.min_level; level <= config_.max_level; ++level) {
    const int64_t stride = int64_t{1} << level;
    levels.push_back(MakeAnchors({stride, config_.anchor_scale * stride}, shape, height, width));
  }
  return torch::cat(levels, 0);
}

}  // namespace mgral::core
