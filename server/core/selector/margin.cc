#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "server/core/geometry/box.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

BoxF Corners(const ScoredBox& box) {
  return {static_cast<float>(box.x_min), static_cast<float>(box.y_min),
          static_cast<float>(box.x_max), static_cast<float>(box.y_max)};
}

double BoxMargin(const std::vector<ScoredBox>& boxes, size_t i) {
  double rival = -1;
  for (const ScoredBox& other : boxes) {
    if (other.label != boxes[i].label && Iou(Corners(other), Corners(boxes[i])) >= 0.5f) {
      rival = std::max(rival, other.score);
    }
  }
  return rival < 0 ? std::abs(2 * boxes[i].score - 1) : std::abs(boxes[i].score - rival);
}

}  // namespace

float ImageMargin(const std::vector<ScoredBox>& predictions) {
  if (predictions.empty()) return 1;
  double sum = 0;
  for (size_t i = 0; i < predictions.size(); ++i) sum += BoxMargin(predictions, i);
  return static_cast<float>(sum / static_cast<double>(predictions.size()));
}

Ranking RankMargin(const RankInput& input) {
  if (static_cast<int64_t>(input.predictions.size()) != input.candidates.images) {
    throw std::invalid_argument("predictions: must have one entry per candidate");
  }
  std::vector<double> score;
  for (const std::vector<ScoredBox>& boxes : input.predictions) {
    const float margin = ImageMargin(boxes);
    if (!std::isfinite(margin)) {
      throw std::invalid_argument("predictions: hold a value that is not finite");
    }
    score.push_back(-margin);
  }
  Ranking out;
  out.order = BestByScore(score, input.limit);
  return out;
}

}  // namespace mgral::core
