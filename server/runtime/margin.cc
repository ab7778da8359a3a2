#include "server/runtime/margin.h"

#include <algorithm>
#include <cmath>

namespace mgral::runtime {
namespace {

double Overlap(const domain::Box& a, const domain::Box& b) {
  const double w = std::min(a.x_min + a.width, b.x_min + b.width) - std::max(a.x_min, b.x_min);
  const double h = std::min(a.y_min + a.height, b.y_min + b.height) - std::max(a.y_min, b.y_min);
  if (w <= 0 || h <= 0) return 0;
  return w * h / (a.width * a.height + b.width * b.height - w * h);
}

double BoxMargin(const std::vector<domain::Box>& boxes, size_t i) {
  double rival = -1;
  for (const domain::Box& other : boxes) {
    if (other.class_index != boxes[i].class_index && Overlap(other, boxes[i]) >= 0.5) {
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
