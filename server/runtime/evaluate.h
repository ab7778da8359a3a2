#pragma once

#include "server/core/detector/detector.h"
#include "server/core/detector/predict.h"
#include "server/domain/model_runtime.h"
#include "server/runtime/example_samples.h"

namespace mgral::runtime {

// AP@.5 (all-points area and VOC 2007's 11 points) and AP@[.5:.95] of a detector on labelled
// images; NaN for classes without ground truth. `progress` gets the share done. Throws as core
// does.
domain::Accuracy EvaluateDetector(const core::Detector& detector, ExampleSamples* samples,
                                  const core::PredictConfig& config,
                                  const domain::Progress& progress);

}  // namespace mgral::runtime
