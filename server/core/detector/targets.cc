#include "server/core/detector/targets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "server/core/geometry/box.h"

namespace mgral::core {
namespace {

constexpr int32_t kBackground = -1, kNotCounted = -2;
constexpr int64_t kCandidatesPerLevel = 9;  // as published

struct Truth {
  std::vector<BoxF> boxes;
  std::vector<char> ignore;
};

// Per anchor: an index into the boxes, kBackground or kNotCounted.
using Match = std::vector<int32_t>;

// See Assignment::kOverlap.
Match MatchByOverlap(const BoxF* anchors, int64_t count, const Truth& truth,
                     const TrainConfig& config) {
  Match match(count, kBackground);
  std::vector<float> best(count, 0), overlap(count);
  std::vector<int32_t> forced(count, kBackground);
  for (size_t j = 0; j < truth.boxes.size(); ++j) {
    if (truth.ignore[j]) continue;
    float highest = 0;
    for (int64_t a = 0; a < count; ++a) {
      overlap[a] = Iou(anchors[a], truth.boxes[j]);
      highest = std::max(highest, overlap[a]);
      if (overlap[a] > best[a]) {
        best[a] = overlap[a];
        match[a] = static_cast<int32_t>(j);
      }
    }
    if (highest <= 0) continue;
    for (int64_t a = 0; a < count; ++a) {
      if (overlap[a] == highest) forced[a] = static_cast<int32_t>(j);
    }
  }
  for (int64_t a = 0; a < count; ++a) {
    if (best[a] < config.positive_iou) {
      match[a] = best[a] < config.negative_iou ? kBackground : kNotCounted;
    }
    if (forced[a] >= 0) match[a] = forced[a];
  }
  return match;
}

// The anchors of each level whose centers are nearest to the box's.
std::vector<int64_t> Nearest(const BoxF* anchors, const std::vector<int64_t>& level_anchors,
                             const BoxF& box) {
  const float x = box.x_min + box.x_max, y = box.y_min + box.y_max;  // twice the center
  const auto distance = [&](int64_t a) {
    const float dx = anchors[a].x_min + anchors[a].x_max - x;
    const float dy = anchors[a].y_min + anchors[a].y_max - y;
    return dx * dx + dy * dy;
  };
  std::vector<int64_t> candidates;
  std::vector<std::pair<float, int64_t>> level;
  int64_t first = 0;
  for (int64_t size : level_anchors) {
    level.clear();
    for (int64_t a = first; a < first + size; ++a) level.emplace_back(distance(a), a);
    const int64_t taken = std::min(size, kCandidatesPerLevel);
    std::partial_sort(level.begin(), level.begin() + taken, level.end());
    for (int64_t i = 0; i < taken; ++i) candidates.push_back(level[i].second);
    first += size;
  }
  return candidates;
}

bool HasCenterIn(const BoxF& anchor, const BoxF& box) {
  const float x = (anchor.x_min + anchor.x_max) / 2, y = (anchor.y_min + anchor.y_max) / 2;
  return x > box.x_min && x < box.x_max && y > box.y_min && y < box.y_max;
}

// See Assignment::kAdaptive.
Match MatchAdaptively(const BoxF* anchors, int64_t count, const std::vector<int64_t>& level_anchors,
                      const Truth& truth) {
  Match match(count, kBackground);
  std::vector<float> best(count, -1);
  for (size_t j = 0; j < truth.boxes.size(); ++j) {
    if (truth.ignore[j]) continue;
    const BoxF& box = truth.boxes[j];
    const std::vector<int64_t> candidates = Nearest(anchors, level_anchors, box);
    double sum = 0, square = 0;
    int64_t closest = candidates.front();
    for (int64_t a : candidates) {
      const double overlap = Iou(anchors[a], box);
      sum += overlap;
      square += overlap * overlap;
      if (overlap > Iou(anchors[closest], box)) closest = a;
    }
    const double n = static_cast<double>(candidates.size()), mean = sum / n;
    const double threshold = mean + std::sqrt(std::max(0.0, square / n - mean * mean));
    const auto claim = [&](int64_t a) {
      const float overlap = Iou(anchors[a], box);
      if (overlap <= best[a]) return false;
      best[a] = overlap;
      match[a] = static_cast<int32_t>(j);
      return true;
    };
    bool claimed = false;
    for (int64_t a : candidates) {
      if (Iou(anchors[a], box) < threshold || !HasCenterIn(anchors[a], box)) continue;
      claimed |= claim(a);
    }
    if (!claimed) claim(closest);
  }
  return match;
}

void LeaveOutIgnored(const BoxF* anchors, const Truth& truth, Match* match) {
  for (size_t j = 0; j < truth.boxes.size(); ++j) {
    if (!truth.ignore[j]) continue;
    for (size_t a = 0; a < match->size(); ++a) {
      if ((*match)[a] == kBackground &&
          Intersection(anchors[a], truth.boxes[j]) > 0.5f * Area(anchors[a])) {
        (*match)[a] = kNotCounted;
      }
    }
  }
}

std::vector<BoxF> ToBoxes(const at::Tensor& boxes) {
  std::vector<BoxF> out(boxes.size(0));
  if (!out.empty())
    std::memcpy(static_cast<void*>(out.data()), boxes.data_ptr<float>(), out.size() * sizeof(BoxF));
  return out;
}

}  // namespace

Targets Targets::To(at::Device device) const {
  Targets moved;
  moved.classes = classes.to(device);
  moved.weights = weights.to(device);
  moved.positives = positives.to(device);
  moved.boxes = boxes.to(device);
  moved.box_anchors = box_anchors.to(device);
  moved.box_labels = box_labels.to(device);
  if (box_weights.defined()) moved.box_weights = box_weights.to(device);
  moved.share = share;
  moved.objects = objects;  // matched on the CPU
  if (class_weights.defined()) moved.class_weights = class_weights.to(device);
  moved.draw = draw;
  return moved;
}

Targets AssignTargets(const std::vector<Sample>& labels, const at::Tensor& anchors,
                      const std::vector<int64_t>& level_anchors, int num_classes,
                      const TrainConfig& config) {
  const int64_t images = static_cast<int64_t>(labels.size()), count = anchors.size(0);
  const BoxF* anchor = reinterpret_cast<const BoxF*>(anchors.data_ptr<float>());
  std::vector<Match> match;
  for (const Sample& image : labels) {
    const bool* ignore = image.ignore.data_ptr<bool>();
    const Truth truth{ToBoxes(image.boxes), {ignore, ignore + image.ignore.numel()}};
    match.push_back(config.assignment == Assignment::kAdaptive
                        ? MatchAdaptively(anchor, count, level_anchors, truth)
                        : MatchByOverlap(anchor, count, truth, config));
    LeaveOutIgnored(anchor, truth, &match.back());
  }
  Targets targets;
  targets.classes = at::zeros({images, count, num_classes});
  targets.weights = at::ones({images, count, 1});
  float* classes = targets.classes.data_ptr<float>();
  float* weights = targets.weights.data_ptr<float>();
  std::vector<int64_t> rows, box_labels;
  std::vector<BoxF> boxes, box_anchors;
  for (int64_t i = 0; i < images; ++i) {
    const std::vector<BoxF> image_boxes = ToBoxes(labels[i].boxes);
    const int64_t* image_labels = labels[i].labels.data_ptr<int64_t>();
    for (int64_t a = 0; a < count; ++a) {
      const int32_t m = match[i][a];
      const int64_t row = i * count + a;
      if (m == kNotCounted) weights[row] = 0;
      if (m < 0) continue;
      classes[row * num_classes + image_labels[m]] = 1;
      rows.push_back(row);
      boxes.push_back(image_boxes[m]);
      box_anchors.push_back(anchor[a]);
      box_labels.push_back(image_labels[m]);
    }
  }
  const int64_t positives = static_cast<int64_t>(rows.size());
  targets.positives = at::tensor(rows, at::kLong);
  targets.box_labels = at::tensor(box_labels, at::kLong);
  targets.boxes = at::from_blob(boxes.data(), {positives, 4}, at::kFloat).clone();
  targets.box_anchors = at::from_blob(box_anchors.data(), {positives, 4}, at::kFloat).clone();
  return targets;
}

at::Tensor ClassWeights(const std::vector<int64_t>& counts, double class_balance) {
  if (class_balance <= 0) return {};
  double mean = 0;
  for (int64_t n : counts) mean += static_cast<double>(n) / counts.size();
  std::vector<float> weights;
  for (int64_t n : counts) {
    const double ratio = std::max(mean, 1.0) / std::max<int64_t>(n, 1);
    weights.push_back(static_cast<float>(std::clamp(std::pow(ratio, class_balance), 0.25, 8.0)));
  }
  return at::tensor(weights);
}

void WeighTargets(const at::Tensor& class_weights, Targets* targets) {
  if (!class_weights.defined()) return;
  targets->box_weights = class_weights.index_select(0, targets->box_labels);
  targets->weights.view({-1}).index_copy_(0, targets->positives, targets->box_weights);
}

}  // namespace mgral::core
