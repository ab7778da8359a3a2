// One annotator, one strategy, one seed, through the real service.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

// What a run tells while it goes on. Both are called on the caller's thread.
struct PlayListener {
  // What is being done now, in a few words, e.g. "60 labels: training 40 %".
  std::function<void(const std::string&)> doing;
  // A point was measured; `run` and `lookup` hold everything up to it.
  std::function<absl::Status()> measured;
};

// Creates a pool, registers the images, labels the validation images and the initial set, and then
// trains, measures, queries and labels until `options.cycles` batches are in, or the pool is empty.
// `run` is filled as points are measured and marked complete at the end; a row per fitted table is
// appended to `lookup`. The pool is deleted at the end unless options.keep_pools. A refused image,
// refused labels or a cycle that did not succeed are errors.
absl::Status PlayStrategy(Client& client, const Dataset& dataset, const Partition& partition,
                          const SimulateOptions& options, const std::string& strategy, int64_t seed,
                          const PlayListener& listener, StrategyRun* run,
                          std::vector<LookupRow>* lookup);

}  // namespace mgral::client
