#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mgral::core {

// Corners in absolute pixels, 0-based, continuous: a pixel covers [x, x + 1).
struct BoxF {
  float x_min = 0, y_min = 0, x_max = 0, y_max = 0;
};

// 0 for a box without area.
inline float Area(const BoxF& b) {
  return std::max(0.0f, b.x_max - b.x_min) * std::max(0.0f, b.y_max - b.y_min);
}

inline float Intersection(const BoxF& a, const BoxF& b) {
  const float w = std::min(a.x_max, b.x_max) - std::max(a.x_min, b.x_min);
  const float h = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  return w > 0 && h > 0 ? w * h : 0.0f;
}

// In [0, 1]; 0 when neither box has an area.
inline float Iou(const BoxF& a, const BoxF& b) {
  const float both = Intersection(a, b);
  const float any = Area(a) + Area(b) - both;
  return any > 0 ? both / any : 0.0f;
}

// The part of a box that lies in `within`; without area if none does.
inline BoxF Clipped(const BoxF& b, const BoxF& within) {
  return {std::clamp(b.x_min, within.x_min, within.x_max),
          std::clamp(b.y_min, within.y_min, within.y_max),
          std::clamp(b.x_max, within.x_min, within.x_max),
          std::clamp(b.y_max, within.y_min, within.y_max)};
}

// One predicted object.
struct Detection {
  BoxF box;           // pixels of the image as it was given
  int32_t label = 0;  // 0-based class
  float score = 0;    // in [0, 1]
};

// Greedy non-maximum suppression, class by class: goes through the detections by falling score
// (equal scores: in input order) and drops those that overlap a kept one of their class by more
// than `iou_threshold`. Keeps at most `limit`. Returns what is kept, best first.
std::vector<Detection> NonMaximumSuppression(std::vector<Detection> detections, float iou_threshold,
                                             int64_t limit);

}  // namespace mgral::core
