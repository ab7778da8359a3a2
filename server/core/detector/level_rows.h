#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <vector>

// Separable convolutions on a CPU, of feature maps that are kept as rows: one matrix [M, C] of all
// positions of all levels, by level, image, and line. Where channels are few, torch's own modules
// take longer for everything else than for the matrix products, above all going backward (ADR 13).
// Results differ from theirs by rounding only. For float; without second derivatives. Thread-safe,
// but for norms in training, which their running statistics change.

namespace mgral::core {

struct LevelShape {
  int64_t images, height, width;

  int64_t rows() const { return images * height * width; }
};

// [B, C, h, w] of each level <-> rows. Free for one level that is channels_last.
std::vector<LevelShape> ShapesOf(const std::vector<at::Tensor>& levels);
at::Tensor ToRows(const std::vector<at::Tensor>& levels);
at::Tensor ToMap(const at::Tensor& rows, const LevelShape& shape);
std::vector<int64_t> RowCounts(const std::vector<LevelShape>& shapes);

// Whether DepthwiseRows takes that many channels.
bool FitsRows(int64_t channels);

// A 3x3 convolution of each channel alone, padded by zeros: its weight is [C, 1, 3, 3].
at::Tensor DepthwiseRows(const at::Tensor& rows, const at::Tensor& weight,
                         const std::vector<LevelShape>& shapes);

// A 1x1 convolution.
at::Tensor PointwiseRows(const at::Tensor& rows, const torch::nn::Conv2dImpl& conv);

// Each level's batch norm, in training or evaluation mode as the norms are, then max(0, ·). A norm
// for each level.
at::Tensor NormReluRows(const at::Tensor& rows, std::vector<torch::nn::BatchNorm2d>& norms,
                        const std::vector<LevelShape>& shapes);

}  // namespace mgral::core
