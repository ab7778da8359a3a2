#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mgral::core {

// Boxes are tensors [n, 4] of (x_min, y_min, x_max, y_max) in pixels. Every function keeps the
// dtype, is differentiable where it says so, and is thread-safe. Wrong shapes throw c10::Error.

// [n], differentiable. Boxes without area have area 0.
at::Tensor BoxArea(const at::Tensor& boxes);

// All pairs: [n, m] for boxes [n, 4] and others [m, 4].
at::Tensor PairwiseIou(const at::Tensor& boxes, const at::Tensor& others);

// Row by row: generalized IoU in [-1, 1], [n], differentiable. Rezatofighi et al. 2019.
at::Tensor GeneralizedIou(const at::Tensor& boxes, const at::Tensor& others);

// Faster R-CNN's parametrization (Ren et al. 2015, eq. 2), weights 1: (dx, dy) in units of the
// anchor's size, (dw, dh) in log scale. Anchors must have an area.
at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& anchors);

// Inverse of EncodeBoxes, differentiable. dw and dh are limited to log(1000 / 16), as torchvision
// does, so that an untrained head cannot overflow.
at::Tensor DecodeBoxes(const at::Tensor& deltas, const at::Tensor& anchors);

// Mirror image of boxes in a canvas of that width.
at::Tensor MirrorBoxes(const at::Tensor& boxes, double width);

// The anchors of one pyramid level: at every position (x, y) of its grid, centered at
// (x * stride, y * stride), one per aspect ratio (height / width) and scale. Sizes are cut to
// whole pixels and half extents rounded, as torchvision's AnchorGenerator does, so that imported
// weights see the anchors that they were trained with.
struct AnchorLevel {
  int64_t stride = 8;
  double base_size = 32;  // pixels, side of the smallest square anchor
  // Neighbors are height / rows apart instead, in whole pixels, and likewise across: torchvision's
  // way, which differs where the stride does not divide the canvas.
  bool spread = false;
};

// Anchors per position: base_size * 2^(i / scales), i < scales, for each ratio.
struct AnchorShape {
  int64_t scales = 3;
  std::vector<double> ratios = {0.5, 1.0, 2.0};
};

// Float [positions * ratios * scales, 4] of one level, ordered by row, column, ratio, scale. The
// grid has ceil(height / stride) x ceil(width / stride) positions.
at::Tensor MakeAnchors(const AnchorLevel& level, const AnchorShape& shape, int64_t height,
                       int64_t width);

}  // namespace mgral::core
