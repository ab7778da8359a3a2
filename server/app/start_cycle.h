#pragma once

#include "absl/status/statusor.h"
#include "server/domain/cycle_store.h"
#include "server/domain/pool_store.h"
#include "server/domain/prediction_store.h"

namespace mgral::app {

// Starts a cycle that has images to work on. No labels at all is fine (cold start). Errors:
// FAILED_PRECONDITION "POOL_EMPTY" (no training image to learn from or to choose), "NO_VALIDATION"
// (labels to train on, but none to measure with), "NO_PREDICTIONS" (of an external detector); those
// of CycleStore::StartCycle.
absl::StatusOr<domain::Cycle> StartCycle(domain::PoolStore* pools, domain::CycleStore* cycles,
                                         domain::PredictionStore* predictions,
                                         const domain::Pool& pool, bool without_table,
                                         const domain::RequestKey& request);

}  // namespace mgral::app
