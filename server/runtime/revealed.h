#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/core/lookup/features.h"
#include "server/domain/model_runtime.h"

namespace mgral::runtime {

// Images that have been labelled since a snapshot, as candidates of that time.
struct Revealed {
  std::vector<domain::ImageSignals> signals;  // those that the current detector has embedded
  core::ImageFeatures features;               // by what the earlier detector said of them
  std::vector<float> embeddings;              // by the current detector [n, d]: its cells hold
};

// Objects and uncertainty as in `earlier`, embeddings of the same image in `request.labeled`.
absl::StatusOr<Revealed> DescribeRevealed(const domain::ModelRuntime::PlanRequest& request,
                                          const std::vector<domain::ImageSignals>& earlier);

// Boxes per class in L, as core wants them.
std::vector<double> LabelledObjects(const domain::ModelRuntime::PlanRequest& request);

}  // namespace mgral::runtime
