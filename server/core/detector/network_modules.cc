#include "server/core/detector/network_modules.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "server/core/detector/efficientnet_lite.h"

namespace mgral::core {

namespace nn = torch::nn;

namespace {

int64_t Scaled(int64_t channels, double width) {
  return std::max<int64_t>(8, std::lround(channels * width / 8) * 8);
}

// Two 3x3 convolutions (ResNet-18, 34), or 1x1, 3x3, 1x1 with four times the channels (50, 101).
class BlockImpl : public nn::Module {
 public:
  BlockImpl(bool bottleneck, int64_t in, int64_t planes, int64_t out, int64_t stride) {
    const auto add = [this](int i, nn::Conv2d conv, int64_t channels) {
      convs_.push_back(register_module("conv" + std::to_string(i), std::move(conv)));
      norms_.push_back(register_module("bn" + std::to_string(i), nn::BatchNorm2d(channels)));
    };
    if (bottleneck) {
      add(1, MakeConv(in, planes, 1, 1, false), planes);
      add(2, MakeConv(planes, planes, 3, stride, false), planes);
      add(3, MakeConv(planes, out, 1, 1, false), out);
    } else {
      add(1, MakeConv(in, planes, 3, stride, false), planes);
      add(2, MakeConv(planes, out, 3, 1, false), out);
    }
    if (stride != 1 || in != out) {
      downsample_ = register_module(
          "downsample", nn::Sequential(MakeConv(in, out, 1, stride, false), nn::BatchNorm2d(out)));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i]->forward(convs_[i]->forward(y));
      if (i + 1 < convs_.size()) y = y.relu_();
    }
    return (y + (downsample_.is_empty() ? x : downsample_->forward(x))).relu_();
  }

 private:
  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_{nullptr};
};
TORCH_MODULE(Block);

}  // namespace

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
  if (config.trunk == Trunk::kEfficientNetLite0) return std::make_shared<EfficientNetLiteImpl>();
  return std::make_shared<ResNetImpl>(config.depth, config.width);
}

ResNetImpl::ResNetImpl(int depth, double width) {
  static const std::map<int, std::vector<int>> kBlocks = {
      {18, {2, 2, 2, 2}}, {34, {3, 4, 6, 3}}, {50, {3, 4, 6, 3}}, {101, {3, 4, 23, 3}}};
  const bool bottleneck = depth >= 50;
  int64_t in = Scaled(64, width);
  conv1_ = register_module("conv1", MakeConv(3, in, 7, 2, false));
  bn1_ = register_module("bn1", nn::BatchNorm2d(in));
  const std::vector<int>& blocks = kBlocks.at(depth);
  for (int i = 0; i < 4; ++i) {
    layers_.push_back(register_module(
        "layer" + std::to_string(i + 1),
        MakeLayer(bottleneck, &in, int64_t{64} << i, blocks[i], i == 0 ? 1 : 2, width)));
    channels_.push_back(in);
  }
}

torch::nn::Sequential ResNetImpl::MakeLayer(bool bottleneck, int64_t* in, int64_t planes,
                                            int blocks, int64_t stride, double width) {
  nn::Sequential layer;
  const int64_t out = Scaled(bottleneck ? planes * 4 : planes, width);
  for (int i = 0; i < blocks; ++i) {
    layer->push_back(Block(bottleneck, *in, Scaled(planes, width), out, i == 0 ? stride : 1));
    *in = out;
  }
  return layer;
}

std::vector<torch::Tensor> ResNetImpl::forward(const torch::Tensor& images) {
  torch::Tensor x = bn1_->forward(conv1_->forward(images)).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  std::vector<torch::Tensor> features;
  for (nn::Sequential& layer : layers_) features.push_back(x = layer->forward(x));
  return features;
}

PyramidImpl::PyramidImpl(const std::vector<int64_t>& in, const DetectorConfig& config) {
  const int64_t out = config.pyramid_channels;
  const int extra_levels = config.max_level - 5;
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

std::vector<torch::Tensor> PyramidImpl::forward(const std::vector<torch::Tensor>& features) {
  std::vector<torch::Tensor> levels(features.size());
  torch::Tensor top;
  for (size_t i = features.size(); i-- > 0;) {
    torch::Tensor inner = inner_[i]->forward(features[i]);
    if (top.defined()) {
      inner = inner + at::upsample_nearest2d(top, {inner.size(2), inner.size(3)});
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

torch::Tensor HeadImpl::forward(const torch::Tensor& features, size_t level) {
  torch::Tensor x = features;
  for (size_t i = 0; i < convs_.size(); ++i) {
    for (nn::Conv2d& conv : convs_[i]) x = conv->forward(x);
    if (!norms_.empty()) x = norms_[i][level]->forward(x);
    x = x.relu_();
  }
  x = last_->forward(x);
  // [B, anchors * outputs, h, w] -> [B, h * w * anchors, outputs]; free for channels_last.
  return x.permute({0, 2, 3, 1}).reshape({x.size(0), -1, outputs_});
}

}  // namespace mgral::core
