#include "server/core/detector/network_modules.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "server/core/detector/efficientnet_lite.h"
#include "server/core/detector/level_rows.h"
#include "server/core/detector/mobilenet_v3.h"
#include "server/core/detector/vgg.h"

namespace mgral::core {

namespace nn = torch::nn;

int64_t Scaled(int64_t channels, double width) {
  return std::max<int64_t>(8, std::lround(channels * width / 8) * 8);
}

nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(bias));
}

std::vector<nn::Conv2d> MakeConv3x3(int64_t in, int64_t out, bool separable, bool bias) {
  if (!separable) return {MakeConv(in, out, 3, 1, bias)};
  return {nn::Conv2d(nn::Conv2dOptions(in, in, 3).padding(1).groups(in).bias(false)),
          MakeConv(in, out, 1, 1, bias)};
}

std::shared_ptr<TrunkImpl> MakeTrunk(const DetectorConfig& config) {
  switch (config.trunk) {
    case Trunk::kEfficientNetLite0:
      return std::make_shared<EfficientNetLiteImpl>();
    case Trunk::kMobileNetV3Large:
      return std::make_shared<MobileNetV3Impl>();
    case Trunk::kVgg16:
      return std::make_shared<VggImpl>(config.width);
    case Trunk::kResNet:
      break;
  }
  return std::make_shared<ResNetImpl>(config.depth, config.width, config.norm_epsilon);
}

std::vector<torch::Tensor> TrunkImpl::forward(const torch::Tensor& images) {
  std::vector<torch::Tensor> features = EarlyStages(images);
  features.push_back(LastStage(features.back()));
  return features;
}

PyramidImpl::PyramidImpl(const std::vector<int64_t>& in, const DetectorConfig& config)
    : subsampled_p6_(config.architecture == Architecture::kFasterRcnn),
      as_rows_(config.separable && FitsRows(config.pyramid_channels)) {
  const int64_t out = config.pyramid_channels;
  const int extra_levels = subsampled_p6_ ? 0 : config.max_level - 5;
  Group inner, layer, extra;
  for (size_t i = 0; i < in.size(); ++i) {
    inner_.push_back(
        inner->Add(std::to_string(i), nn::Sequential(MakeConv(in[i], out, 1, 1, true))));
    nn::Sequential smoothing;
    for (const nn::Conv2d& conv : MakeConv3x3(out, out, config.separable, true)) {
      smoothing->push_back(conv);
    }
    layer_.push_back(layer->Add(std::to_string(i), smoothing));
  }
  register_module("inner_blocks", inner);
  register_module("layer_blocks", layer);
  if (extra_levels == 0) return;
  for (int i = 0; i < extra_levels; ++i) {
    extra_.push_back(extra->Add("p" + std::to_string(6 + i), MakeConv(out, out, 3, 2, true)));
  }
  register_module("extra_blocks", extra);
}

torch::Tensor PyramidImpl::Convolved(nn::Sequential& convs, const torch::Tensor& map) {
  if (!as_rows_ || !map.is_cpu()) return convs->forward(map);
  const std::vector<LevelShape> shapes = ShapesOf({map});
  torch::Tensor rows = ToRows({map});
  for (const auto& module : *convs) {
    const auto& conv = module.get<nn::Conv2dImpl>();
    rows = conv.options.groups() > 1 ? DepthwiseRows(rows, conv.weight, shapes)
                                     : PointwiseRows(rows, conv);
  }
  return ToMap(rows, shapes[0]);
}

std::vector<torch::Tensor> PyramidImpl::forward(const std::vector<torch::Tensor>& features) {
  std::vector<torch::Tensor> levels(features.size());
  torch::Tensor top;
  for (size_t i = features.size(); i-- > 0;) {
    torch::Tensor inner = Convolved(inner_[i], features[i]);
    if (top.defined()) {
      inner = inner + at::upsample_nearest2d(top, {inner.size(2), inner.size(3)});
    }
    top = inner;
    levels[i] = Convolved(layer_[i], inner);
  }
  for (size_t i = 0; i < extra_.size(); ++i) {
    const torch::Tensor& below = levels.back();
    levels.push_back(extra_[i]->forward(i == 0 ? below : below.relu()));
  }
  if (subsampled_p6_) levels.push_back(at::max_pool2d(levels.back(), 1, 2));
  return levels;
}

HeadImpl::HeadImpl(const DetectorConfig& config, const std::string& last_name, int64_t outputs)
    : outputs_(outputs),
      as_rows_(config.separable && config.head_norm && FitsRows(config.pyramid_channels)) {
  const int64_t channels = config.pyramid_channels;
  Group conv;
  for (int i = 0; i < config.head_convs; ++i) {
    Group block;
    convs_.push_back(MakeConv3x3(channels, channels, config.separable, !config.head_norm));
    for (size_t j = 0; j < convs_.back().size(); ++j) {
      block->Add(std::to_string(j), convs_.back()[j]);
    }
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
  last_ = register_module(last_name, MakeConv(channels, config.anchors_per_position() * outputs,
                                              config.separable ? 1 : 3, 1, true));
}

std::vector<torch::Tensor> HeadImpl::forward(const std::vector<torch::Tensor>& levels) {
  std::vector<torch::Tensor> outputs;
  if (!as_rows_ || !levels[0].is_cpu()) {
    for (size_t i = 0; i < levels.size(); ++i) outputs.push_back(OneLevel(levels[i], i));
    return outputs;
  }
  const std::vector<LevelShape> shapes = ShapesOf(levels);
  torch::Tensor rows = ToRows(levels);
  for (size_t i = 0; i < convs_.size(); ++i) {
    rows = DepthwiseRows(rows, convs_[i][0]->weight, shapes);
    rows = NormReluRows(PointwiseRows(rows, *convs_[i][1]), norms_[i], shapes);
  }
  outputs = PointwiseRows(rows, *last_).split_with_sizes(RowCounts(shapes));
  for (size_t i = 0; i < shapes.size(); ++i) {
    outputs[i] = outputs[i].reshape({shapes[i].images, -1, outputs_});
  }
  return outputs;
}

torch::Tensor HeadImpl::OneLevel(const torch::Tensor& features, size_t level) {
  torch::Tensor x = features;
  for (size_t i = 0; i < convs_.size(); ++i) {
    for (nn::Conv2d& conv : convs_[i]) x = conv->forward(x);
    if (!norms_.empty()) x = norms_[i][level]->forward(x);
    x = x.relu_();
  }
  return PerAnchor(last_->forward(x), outputs_);
}

torch::Tensor PerAnchor(const torch::Tensor& maps, int64_t outputs) {
  return maps.permute({0, 2, 3, 1}).reshape({maps.size(0), -1, outputs});
}

void NetworkModules::AddBackbone(const DetectorConfig& config) {
  Group backbone;
  body_ = backbone->Add("body", MakeTrunk(config));
  const std::vector<int64_t>& channels = body_->channels();
  min_level_ = config.min_level;
  trained_last_stage_ = config.trained_last_stage;
  pyramid_ = backbone->Add(
      "fpn",
      Pyramid(std::vector<int64_t>(channels.begin() + min_level_ - 2, channels.end()), config));
  register_module("backbone", backbone);
}

void NetworkModules::Initialize(uint64_t seed, const Deviation& deviation) {
  torch::NoGradGuard no_grad;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& entry : named_parameters()) {
    const std::string& name = entry.key();
    torch::Tensor& p = entry.value();
    if (p.dim() > 1) {
      const double fan_in = p.numel() / p.size(0), fan_out = p.numel() / p.size(1);
      const bool body = name.rfind("backbone.body.", 0) == 0;
      const bool pyramid = name.rfind("backbone.fpn.", 0) == 0;
      p.normal_(0,
                body      ? std::sqrt(2 / fan_out)
                : pyramid ? std::sqrt(1 / fan_in)
                          : deviation(name, fan_in, fan_out),
                generator);
    } else if (name.size() > 5 && name.compare(name.size() - 5, 5, ".bias") == 0) {
      p.zero_();
    } else {
      p.fill_(1);
    }
  }
}

std::vector<torch::Tensor> NetworkModules::Features(const torch::Tensor& images) {
  std::vector<torch::Tensor> features =
      trained_last_stage_ ? body_->EarlyStages(images) : body_->forward(images);
  features.erase(features.begin(), features.begin() + min_level_ - 2);
  return features;
}

std::vector<torch::Tensor> NetworkModules::PyramidLevels(const NetInput& input) {
  std::vector<torch::Tensor> features =
      input.images.defined() ? Features(input.images) : input.features;
  if (trained_last_stage_) features.push_back(body_->LastStage(features.back()));
  return pyramid_->forward(features);
}

void NetworkModules::Prepare(const DetectorConfig& config) {
  to(torch::kCPU, torch::kFloat);
  for (torch::Tensor& p : parameters()) {
    if (p.dim() == 4) p.set_data(p.contiguous(at::MemoryFormat::ChannelsLast));
  }
  if (config.frozen_trunk) {
    for (torch::Tensor& p : body_->parameters()) p.requires_grad_(false);
  }
  if (config.trained_last_stage) {
    for (nn::Module* module : body_->last_stage()) {
      for (torch::Tensor& p : module->parameters()) p.requires_grad_(true);
    }
  }
  eval();
}

torch::OrderedDict<std::string, torch::Tensor> NetworkModules::FeatureTensors() {
  std::set<const at::TensorImpl*> used;
  if (body_ == nullptr) return torch::OrderedDict<std::string, torch::Tensor>();
  const auto tensors_of = [](nn::Module& module) {
    std::vector<torch::Tensor> tensors = module.parameters();
    for (const torch::Tensor& buffer : module.buffers()) tensors.push_back(buffer);
    return tensors;
  };
  for (const torch::Tensor& t : tensors_of(*body_)) used.insert(t.unsafeGetTensorImpl());
  if (trained_last_stage_) {
    for (nn::Module* module : body_->last_stage()) {
      for (const torch::Tensor& t : tensors_of(*module)) used.erase(t.unsafeGetTensorImpl());
    }
  }
  torch::OrderedDict<std::string, torch::Tensor> named;
  for (const auto& all : {named_parameters(), named_buffers()}) {
    for (const auto& entry : all) {
      if (used.count(entry.value().unsafeGetTensorImpl()) > 0) {
        named.insert(entry.key(), entry.value());
      }
    }
  }
  return named;
}

}  // namespace mgral::core
