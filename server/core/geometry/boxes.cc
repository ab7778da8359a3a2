#include "server/core/geometry/boxes.h"

#include <ATen/ATen.h>

#include <cmath>

namespace mgral::core {
namespace {

at::Tensor Column(const at::Tensor& boxes, int64_t i) { return boxes.select(-1, i); }

}  // namespace

at::Tensor BoxArea(const at::Tensor& boxes) {
  return (Column(boxes, 2) - Column(boxes, 0)).clamp_min(0) *
         (Column(boxes, 3) - Column(boxes, 1)).clamp_min(0);
}

at::Tensor PairwiseIou(const at::Tensor& boxes, const at::Tensor& others) {
  const at::Tensor a = boxes.unsqueeze(1), b = others.unsqueeze(0);
  const at::Tensor low = at::max(a.slice(-1, 0, 2), b.slice(-1, 0, 2));
  const at::Tensor high = at::min(a.slice(-1, 2, 4), b.slice(-1, 2, 4));
  const at::Tensor both = (high - low).clamp_min(0).prod(-1);
  const at::Tensor any = BoxArea(a) + BoxArea(b) - both;
  return at::where(any > 0, both / any.clamp_min(1e-12), at::zeros_like(both));
}

at::Tensor GeneralizedIou(const at::Tensor& boxes, const at::Tensor& others) {
  const auto low = [](const at::Tensor& b) { return b.slice(-1, 0, 2); };
  const auto high = [](const at::Tensor& b) { return b.slice(-1, 2, 4); };
  const at::Tensor both =
      (at::min(high(boxes), high(others)) - at::max(low(boxes), low(others))).clamp_min(0).prod(-1);
  const at::Tensor hull =
      (at::max(high(boxes), high(others)) - at::min(low(boxes), low(others))).clamp_min(0).prod(-1);
  const at::Tensor any = BoxArea(boxes) + BoxArea(others) - both;
  return both / any.clamp_min(1e-7) - (hull - any) / hull.clamp_min(1e-7);
}

at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& anchors) {
  const at::Tensor size = anchors.slice(-1, 2, 4) - anchors.slice(-1, 0, 2);
  const at::Tensor box_size = boxes.slice(-1, 2, 4) - boxes.slice(-1, 0, 2);
  const at::Tensor shift =
      (boxes.slice(-1, 0, 2) + box_size / 2) - (anchors.slice(-1, 0, 2) + size / 2);
  return at::cat({shift / size, at::log(box_size / size)}, -1);
}

at::Tensor DecodeBoxes(const at::Tensor& deltas, const at::Tensor& anchors) {
  const at::Tensor size = anchors.slice(-1, 2, 4) - anchors.slice(-1, 0, 2);
  const at::Tensor center = anchors.slice(-1, 0, 2) + size / 2 + deltas.slice(-1, 0, 2) * size;
  const at::Tensor half =
      at::exp(deltas.slice(-1, 2, 4).clamp_max(std::log(1000.0 / 16))) * size / 2;
  return at::cat({center - half, center + half}, -1);
}

at::Tensor MirrorBoxes(const at::Tensor& boxes, double width) {
  return at::stack(
      {width - Column(boxes, 2), Column(boxes, 1), width - Column(boxes, 0), Column(boxes, 3)}, -1);
}

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
  const int64_t down = level.spread ? height / rows : level.stride;
  const int64_t across = level.spread ? width / columns : level.stride;
  at::Tensor anchors =
      at::empty({rows * columns * static_cast<int64_t>(base.size() / 4), 4}, at::kFloat);
  float* out = anchors.data_ptr<float>();
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) {
      for (size_t i = 0; i < base.size(); ++i) {
        *out++ = base[i] + static_cast<float>(i % 2 == 0 ? x * across : y * down);
      }
    }
  }
  return anchors;
}

}  // namespace mgral::core
