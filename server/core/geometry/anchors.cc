#include "server/core/geometry/anchors.h"

#include <ATen/ATen.h>

#include <cmath>

namespace mgral::core {

at::Tensor MakeAnchors(const AnchorLevel& level, const AnchorShape& shape, int64_t height,
                       int64_t width) {
  std::vector<float> base;
  for (double ratio : shape.ratios) {
    for (int64_t s = 0; s < shape.scales; ++s) {
      const double size =
          std::trunc(level.base_size * std::pow(2.0, static_cast<double>(s) / shape.scales) + 1e-9);
      const double half_h = std::nearbyint(size * std::sqrt(ratio) / 2);
      const double half_w = std::nearbyint(size / std::sqrt(ratio) / 2);
      for (double side : {-half_w, -half_h, half_w, half_h}) base.push_back(side);
    }
  }
  const int64_t rows = (height + level.stride - 1) / level.stride;
  const int64_t columns = (width + level.stride - 1) / level.stride;
  at::Tensor anchors =
      at::empty({rows * columns * static_cast<int64_t>(base.size() / 4), 4}, at::kFloat);
  float* out = anchors.data_ptr<float>();
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) {
      for (size_t i = 0; i < base.size(); ++i) {
        *out++ = base[i] + static_cast<float>((i % 2 == 0 ? x : y) * level.stride);
      }
    }
  }
  return anchors;
}

}  // namespace mgral::core
