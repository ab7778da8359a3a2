#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/network.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/sample.h"
#include "server/core/evaluation/average_precision.h"
#include "server/core/geometry/box.h"
#include "server/core/progress.h"

namespace mgral::core {

// Per image uint8 [3, H, W]: its detections, best first, in its own pixels. Works on an untrained
// detector (what it finds means nothing). Deterministic, and independent of the other images.
std::vector<std::vector<Detection>> Predict(const Detector& detector,
                                            const std::vector<at::Tensor>& images,
                                            const PredictConfig& config = {});

// The same; of the samples, image and content matter. Features come from the cache, if there is
// one, and go there.
std::vector<std::vector<Detection>> Predict(const Detector& detector,
                                            const std::vector<Sample>& samples,
                                            const PredictConfig& config, FeatureCache* cache);

// Accuracy on a labeled set. No samples: every AP is NaN.
Accuracy Evaluate(const Detector& detector, SampleSource& samples, const PredictConfig& config = {},
                  const ProgressFn& progress = {}, FeatureCache* cache = nullptr);

// From the canvas to an image of width x height pixels, clipped; drops what lies outside.
void ToImagePixels(std::vector<Detection>* detections, const Scale& scale, int64_t width,
                   int64_t height);

}  // namespace mgral::core
