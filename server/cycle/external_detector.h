#pragma once

#include <vector>

#include "server/cycle/stages.h"

// A cycle of a pool whose detector is external: nothing is trained, embedded or probed. What the
// user put takes the place of what kEmbed leaves.
namespace mgral::cycle {

// Fixes the predictions that the cycle ranks: fills in `external`, `shards`, which are of Signals
// already, and `images`. FAILED_PRECONDITION "NO_PREDICTIONS", "PREDICTIONS_REPLACED".
absl::Status GatherPredictions(const StageContext& stage, CycleInputs* inputs);

// The accuracy of the predictions on those of the labeled images that have some.
// FAILED_PRECONDITION "PREDICTIONS_REPLACED".
absl::StatusOr<domain::Accuracy> MeasurePredictions(const StageContext& stage,
                                                    const ExternalPredictions& predictions,
                                                    const std::vector<domain::Example>& labeled);

}  // namespace mgral::cycle
