#include "server/core/geometry/roi_align.h"

#include <ATen/ATen.h>

#include <tuple>

#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

constexpr int64_t kSamples = 2;  // per cell and side
constexpr int64_t kFinestLevel = 2, kCanonicalLevel = 4;
constexpr double kCanonicalSide = 224;
constexpr int64_t kBilinear = 0, kBorder = 1;  // grid_sampler's interpolation and padding

// Where the samples of [low, high) lie, [n, size * kSamples], as grid_sampler wants it: -1 is the
// first position and 1 the last of `positions`.
at::Tensor SamplePoints(const at::Tensor& low, const at::Tensor& high, int64_t size,
                        int64_t positions) {
  const int64_t points = size * kSamples;
  const at::Tensor steps =
      ((at::arange(points, at::kFloat) + 0.5) / static_cast<double>(points)).to(low.options());
  const at::Tensor at = low.unsqueeze(1) + (high - low).clamp_min(1).unsqueeze(1) * steps;
  if (positions == 1) return at::zeros_like(at);
  return at * (2.0 / static_cast<double>(positions - 1)) - 1;
}

}  // namespace

at::Tensor RoiAlign(const at::Tensor& features, const at::Tensor& boxes, double scale,
                    int64_t size) {
  const int64_t count = boxes.size(0), points = size * kSamples;
  const at::Tensor scaled = boxes * scale;
  const at::Tensor x =
      SamplePoints(scaled.select(1, 0), scaled.select(1, 2), size, features.size(3));
  const at::Tensor y =
      SamplePoints(scaled.select(1, 1), scaled.select(1, 3), size, features.size(2));
  const at::Tensor grid = at::stack({x.unsqueeze(1).expand({count, points, points}),
                                     y.unsqueeze(2).expand({count, points, points})},
                                    3);
  const at::Tensor sampled =
      at::grid_sampler(features.contiguous(), grid.reshape({1, count * points, points, 2}),
                       kBilinear, kBorder, true);
  // [1, C, n * points, points] -> [n, C, points, points]
  const at::Tensor each = sampled.view({features.size(1), count, points, points}).transpose(0, 1);
  return at::avg_pool2d(each, kSamples);
}

at::Tensor MultiscaleRoiAlign(const std::vector<at::Tensor>& levels,
                              const std::vector<at::Tensor>& boxes, int64_t size) {
  const int64_t coarsest = kFinestLevel + static_cast<int64_t>(levels.size()) - 1;
  std::vector<at::Tensor> parts, order;
  int64_t first = 0;
  for (size_t image = 0; image < boxes.size(); ++image) {
    const at::Tensor level =
        (kCanonicalLevel + (BoxArea(boxes[image]).sqrt() / kCanonicalSide).log2() + 1e-6)
            .floor()
            .clamp(kFinestLevel, coarsest);
    for (size_t l = 0; l < levels.size(); ++l) {
      const int64_t number = kFinestLevel + static_cast<int64_t>(l);
      const at::Tensor rows = (level == number).nonzero().squeeze(1);
      if (rows.size(0) == 0) continue;
      parts.push_back(RoiAlign(levels[l].slice(0, image, image + 1),
                               boxes[image].index_select(0, rows), 1.0 / (int64_t{1} << number),
                               size));
      order.push_back(rows + first);
    }
    first += boxes[image].size(0);
  }
  if (parts.empty()) return at::zeros({0, levels[0].size(1), size, size}, levels[0].options());
  return at::cat(parts).index_select(0, std::get<1>(at::cat(order).sort()));
}

}  // namespace mgral::core
