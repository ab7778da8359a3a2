#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/core/evaluation/average_precision.h"
#include "server/core/geometry/nms.h"
#include "server/core/lookup/features.h"
#include "server/domain/model_runtime.h"

namespace mgral::runtime {

// Detections in the pixels of a reduced image, as boxes of the original, cut at its border.
std::vector<domain::Box> ToBoxes(const std::vector<core::Detection>& detections, int reduced_width,
                                 int reduced_height, int original_width, int original_height);

// Signals as the flat arrays of core. INVALID_ARGUMENT when their sizes differ.
absl::StatusOr<core::ImageSignals> ToCore(const std::vector<domain::ImageSignals>& signals,
                                          int num_classes);

// Embeddings alone, [n, d]; those of another length than `dim` are left out.
std::vector<float> Embeddings(const std::vector<domain::ImageSignals>& signals, size_t dim);

// AP@.5 per class with 0 where it is unknown.
std::vector<double> KnownAp(const domain::Accuracy& accuracy, int num_classes);

}  // namespace mgral::runtime
