#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "server/core/detector/detector.h"
#include "server/core/detector/sample.h"
#include "server/core/evaluation/average_precision.h"
#include "server/core/geometry/nms.h"

namespace mgral::core {

struct PredictConfig {
  float min_score = 0.05f;
  float nms_iou = 0.5f;
  int64_t candidates_per_level = 400;  // before suppression
  int64_t max_detections = 100;        // per image
  int64_t batch_size = 16;
};

// Told the share that is done, in [0, 1]; returns false to stop: the call throws Cancelled.
using FractionFn = std::function<bool(double)>;

// Per image uint8 [3, H, W]: its detections, best first, in its own pixels. Works on an untrained
// detector (what it finds means nothing). Deterministic.
std::vector<std::vector<Detection>> Predict(const Detector& detector,
                                            const std::vector<at::Tensor>& images,
                                            const PredictConfig& config = {});

// Accuracy on a labelled set. No samples: every AP is NaN.
Accuracy Evaluate(const Detector& detector, SampleSource& samples, const PredictConfig& config = {},
                  const FractionFn& progress = {});

}  // namespace mgral::core
