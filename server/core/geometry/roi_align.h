#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mgral::core {

// ROIAlign (He et al. 2017) as torchvision's roi_align with aligned=False and sampling_ratio=2: a
// box in units of `scale` positions per pixel, at least one position high and wide, is cut into
// size x size cells, and each cell is the mean of 2 x 2 points, bilinear between positions.
// features: [1, C, H, W], boxes: [n, 4] in pixels within the map -> [n, C, size, size]. On the
// features' device; differentiable in them.
at::Tensor RoiAlign(const at::Tensor& features, const at::Tensor& boxes, double scale,
                    int64_t size);

// RoiAlign of each image's boxes on the level of their size (Lin et al. 2017, equation 1: level 4
// for boxes of 224 x 224). levels: [B, C, h, w] each, of strides 4, 8, 16, ...; boxes: [n_i, 4] of
// each image. [sum of n_i, C, size, size] in their order.
at::Tensor MultiscaleRoiAlign(const std::vector<at::Tensor>& levels,
                              const std::vector<at::Tensor>& boxes, int64_t size);

}  // namespace mgral::core
