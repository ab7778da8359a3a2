#include "server/core/detector/detections.h"

#include <algorithm>
#include <utility>

namespace mgral::core {
namespace {

// The `limit` best of `candidates`, best first, if there are more.
void KeepBest(const float* score, int64_t limit, std::vector<int64_t>* candidates) {
  const size_t most = static_cast<size_t>(std::max<int64_t>(1, limit));
  if (candidates->size() <= most) return;
  std::partial_sort(
      candidates->begin(), candidates->begin() + most, candidates->end(),
      [score](int64_t a, int64_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
  candidates->resize(most);
}

BoxF BoxAt(const float* b) { return {b[0], b[1], b[2], b[3]}; }

}  // namespace

std::vector<Detection> PickPerLevel(const at::Tensor& scores, const at::Tensor& boxes,
                                    const std::vector<int64_t>& level_anchors, const BoxF* clip,
                                    const PredictConfig& config) {
  const int64_t classes = scores.size(1);
  const float* score = scores.data_ptr<float>();
  const float* box = boxes.data_ptr<float>();
  std::vector<Detection> candidates;
  int64_t first = 0;
  for (int64_t level : level_anchors) {
    std::vector<int64_t> best;
    for (int64_t k = first * classes; k < (first + level) * classes; ++k) {
      if (score[k] > config.min_score) best.push_back(k);
    }
    first += level;
    KeepBest(score, config.candidates_per_level, &best);
    for (int64_t k : best) {
      const BoxF found = BoxAt(box + k / classes * 4);
      candidates.push_back({clip == nullptr ? found : Clipped(found, *clip),
                            static_cast<int32_t>(k % classes), score[k]});
    }
  }
  return NonMaximumSuppression(std::move(candidates), config.nms_iou, config.max_detections);
}

std::vector<Detection> PickPerClass(const at::Tensor& scores, const at::Tensor& boxes,
                                    const BoxF& clip, float min_side, int64_t per_class,
                                    const PredictConfig& config) {
  const int64_t count = scores.size(0), classes = scores.size(1);
  const bool own_boxes = boxes.size(1) == 4 * classes;
  const float* score = scores.data_ptr<float>();
  const float* box = boxes.data_ptr<float>();
  std::vector<Detection> candidates;
  for (int64_t c = 1; c < classes; ++c) {
    std::vector<int64_t> best;
    for (int64_t k = c; k < count * classes; k += classes) {
      if (score[k] > config.min_score) best.push_back(k);
    }
    if (per_class > 0) KeepBest(score, per_class, &best);
    for (int64_t k : best) {
      const BoxF found = Clipped(BoxAt(box + (own_boxes ? k : k / classes) * 4), clip);
      if (found.x_max - found.x_min < min_side || found.y_max - found.y_min < min_side) continue;
      candidates.push_back({found, static_cast<int32_t>(c - 1), score[k]});
    }
  }
  return NonMaximumSuppression(std::move(candidates), config.nms_iou, config.max_detections);
}

}  // namespace mgral::core
