#include "server/core/geometry/box.h"

#include <algorithm>

namespace mgral::core {

std::vector<Detection> NonMaximumSuppression(std::vector<Detection> detections, float iou_threshold,
                                             int64_t limit) {
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  std::vector<Detection> kept;
  for (const Detection& d : detections) {
    if (static_cast<int64_t>(kept.size()) >= limit) break;
    const bool dropped = std::any_of(kept.begin(), kept.end(), [&](const Detection& k) {
      return k.label == d.label && Iou(k.box, d.box) > iou_threshold;
    });
    if (!dropped) kept.push_back(d);
  }
  return kept;
}

}  // namespace mgral::core
