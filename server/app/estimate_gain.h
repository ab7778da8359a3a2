#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/batch_store.h"
#include "server/domain/pool.h"
#include "server/domain/selection_runtime.h"

namespace mgral::app {

// What labeling these images is worth, by the published look-up table.
struct GainEstimate {
  domain::Gain gain;
  int64_t table_version = 0;
  int64_t model_version = 0;
};

// Errors: INVALID_ARGUMENT on "image_ids" and "image_ids[i]"; FAILED_PRECONDITION
// "EXTERNAL_DETECTOR"; those of BatchStore::LookUp.
absl::StatusOr<GainEstimate> EstimateGain(domain::BatchStore* batches,
                                          domain::SelectionRuntime* runtime,
                                          const domain::Pool& pool,
                                          const std::vector<std::string>& image_ids);

}  // namespace mgral::app
