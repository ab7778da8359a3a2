// A positive control: of a few random batches, the one that training on it shows to be worth most.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

inline constexpr int kBatchesTried = 8;

struct TrialRequest {
  const Dataset& dataset;
  const Partition& partition;
  const SimulateOptions& options;
  int64_t seed = 0;
  const std::vector<int>& labeled;  // training images, positions in the dataset
};

// Draws kBatchesTried batches of options.batch images, or of all that are left, by the seed and the
// number of labels. Each is labeled beside `labeled` in a pool of its own, with the run's recipe
// and seed, and the cycle's mAP@.5 on the validation images decides; the first one on ties. Their
// training is added to `seconds`, and `doing` (may be null) told what goes on. The pools are
// deleted again unless options.keep_pools. Errors as of the calls; no batch where no image is left.
absl::StatusOr<std::vector<int>> PickBestOf(Client& client, const TrialRequest& request,
                                            const std::function<void(const std::string&)>& doing,
                                            StageSeconds* seconds);

}  // namespace mgral::client
