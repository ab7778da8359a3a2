#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/domain/pool.h"

namespace mgral::app {

// FAILED_PRECONDITION "EXTERNAL_DETECTOR" on `field` for a pool with an external detector: `what`,
// e.g. "Predict", needs a detector of mgral's own. OK for every other pool.
absl::Status NeedsOwnDetector(const domain::Pool& pool, absl::string_view what,
                              const std::string& field);

// The same where the strategy of that name cannot do without one.
absl::Status CheckStrategyFor(const domain::Pool& pool, const std::string& strategy,
                              const std::string& field);

// "random, entropy, ...": those that rank by predictions and embeddings alone.
std::string StrategiesWithoutTable();

}  // namespace mgral::app
