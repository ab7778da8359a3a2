#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mgral::core {

// Boxes are tensors [n, 4] of (x_min, y_min, x_max, y_max) in pixels. Every function keeps the
// dtype, is differentiable where it says so, and is thread-safe. Wrong shapes throw c10::Error.

// [n], differentiable. Boxes without area have area 0.
at::Tensor BoxArea(const at::Tensor& boxes);

// All pairs: [n, m] for boxes [n, 4] and others [m, 4].
at::Tensor PairwiseIou(const at::Tensor& boxes, const at::Tensor& others);

// Row by row: generalised IoU in [-1, 1], [n], differentiable. Rezatofighi et al. 2019.
at::Tensor GeneralisedIou(const at::Tensor& boxes, const at::Tensor& others);

// Faster R-CNN's parametrisation (Ren et al. 2015, eq. 2), weights 1: (dx, dy) in units of the
// anchor's size, (dw, dh) in log scale. Anchors must have an area.
at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& anchors);

// Inverse of EncodeBoxes, differentiable. dw and dh are limited to log(1000 / 16), as torchvision
// does, so that an untrained head cannot overflow.
at::Tensor DecodeBoxes(const at::Tensor& deltas, const at::Tensor& anchors);

// Mirror image of boxes in a canvas of that width.
at::Tensor MirrorBoxes(const at::Tensor& boxes, double width);

}  // namespace mgral::core
