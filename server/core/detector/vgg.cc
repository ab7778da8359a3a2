#include "server/core/detector/vgg.h"

#include <ATen/ATen.h>

namespace mgral::core {
namespace {

// Channels of each convolution; 0: a pooling. A convolution takes two numbers, its ReLU's is the
// second.
constexpr int kVggPlan[] = {64, 64,  0,   128, 128, 0,   256, 256, 256,
                            0,  512, 512, 512, 0,   512, 512, 512, 0};
constexpr int kThirdPooling = 16;
constexpr int kStageEnds[] = {16, 23, 30};  // before the third, fourth and fifth pooling
constexpr int kVggLayers = 31;

}  // namespace

VggLayersImpl::VggLayersImpl(double width, int first, int last, bool ceil_third_pooling)
    : ceil_third_pooling_(ceil_third_pooling) {
  int number = 0;
  for (int plan : kVggPlan) {
    const int64_t in = channels_, size = plan == 0 ? 1 : 2;
    if (number < last && plan != 0) channels_ = Scaled(plan, width);
    if (plan != 0 && number >= first && number < last) {
      convs_.emplace(number, register_module(std::to_string(number - first),
                                             MakeConv(in, channels_, 3, 1, true)));
    }
    number += static_cast<int>(size);
  }
}

torch::Tensor VggLayersImpl::forward(torch::Tensor x, int from, int to) {
  int number = 0;
  for (int plan : kVggPlan) {
    if (number >= from && number < to) {
      x = plan != 0 ? convs_.at(number)->forward(x).relu_()
                    : at::max_pool2d(x, 2, 2, 0, 1, ceil_third_pooling_ && number == kThirdPooling);
    }
    number += plan == 0 ? 1 : 2;
  }
  return x;
}

VggImpl::VggImpl(double width) : layers_(width, 0, kVggLayers) {
  for (const auto& layer : layers_->named_children()) register_module(layer.key(), layer.value());
  for (int plan : {256, 512, 512, 512}) channels_.push_back(Scaled(plan, width));
}

std::vector<torch::Tensor> VggImpl::EarlyStages(const torch::Tensor& images) {
  std::vector<torch::Tensor> stages;
  torch::Tensor x = images;
  int from = 0;
  for (int end : kStageEnds) {
    stages.push_back(x = layers_->forward(x, from, end));
    from = end;
  }
  return stages;
}

torch::Tensor VggImpl::LastStage(const torch::Tensor& c4) {
  return layers_->forward(c4, kStageEnds[2], kVggLayers);
}

}  // namespace mgral::core
