#pragma once

#include <ATen/core/Tensor.h>

namespace mgral::core {

// Float [3, H, W] in [0, 255] -> ImageNet's mean 0 and standard deviation 1, as torchvision's
// weights expect.
at::Tensor NormaliseImage(const at::Tensor& image);

}  // namespace mgral::core
