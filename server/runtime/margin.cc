#include "server/runtime/margin.h"

#include <algorithm>
#include <cmath>

#include "server/core/geometry/box.h"

namespace mgral::runtime {
namespace {

core::BoxF Corners(const domain::Box& box) {
  return {static_cast<float>(box.x_min), static_cast<float>(box.y_min),
          static_cast<float>(box.x_min + box.width), static_cast<float>(box.y_min + box.height)};
}

double BoxMargin(const std::vector<domain::Box>& boxes, size_t i) {
  double rival = -1;
  for (const domain::Box& other : boxes) {
    if (other.class_index != boxes[i].class_index &&
        core::Iou(Corners(other), Corners(boxes[i])) >= 0.5f) {
      rival = std::max(rival, other.score);
    }
  }
  return rival < 0 ? std::abs(2 * boxes[i].score - 1) : std::abs(boxes[i].score - rival);
}

}  // namespace

std::vector<float> ImageMargins(const std::vector<domain::ImageSignals>& images) {
  std::vector<float> margins;
  for (const domain::ImageSignals& image : images) {
    double sum = 0;
    for (size_t i = 0; i < image.predictions.size(); ++i) sum += BoxMargin(image.predictions, i);
    margins.push_back(
        image.predictions.empty() ? 1.0f : static_cast<float>(sum / image.predictions.size()));
  }
  return margins;
}

}  // namespace mgral::runtime
