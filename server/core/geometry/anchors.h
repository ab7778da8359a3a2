#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mgral::core {

// The anchors of one pyramid level: at every position (x, y) of its grid, centred at
// (x * stride, y * stride), one per aspect ratio (height / width) and scale. Sizes are cut to
// whole pixels and half extents rounded, as torchvision's AnchorGenerator does, so that imported
// weights see the anchors that they were trained with.
struct AnchorLevel {
  int64_t stride = 8;
  double base_size = 32;  // pixels, side of the smallest square anchor
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
