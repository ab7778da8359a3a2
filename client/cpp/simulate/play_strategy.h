// One annotator, one strategy, one seed, through the real service.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

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

// The first cycle of another run of the same seed, and the batch that its snapshot picked by this
// strategy: the detector of the initial labels is trained once for all that SharesFirstCycle.
struct SharedStart {
  CurvePoint first;      // measured
  CurvePoint batch;      // picked, nothing measured yet
  StageSeconds seconds;  // what this strategy needs of them
};

struct PlayRequest {
  const Dataset& dataset;
  const Partition& partition;
  const SimulateOptions& options;
  std::string strategy;  // or the label of a variant
  int64_t seed = 0;
  const SharedStart* start = nullptr;   // null: the run begins with a cycle of its own
  std::vector<std::string> share_with;  // strategies to pick a first batch for, too
};

struct PlayResult {
  StrategyRun& run;
  std::vector<LookupRow>& lookup;
  // By strategy of share_with; without those that the server picks by another one instead.
  std::map<std::string, SharedStart>& starts;
};

// Creates a pool, registers the images, labels the validation images and the initial set, and then
// trains, measures, queries and labels until `options.cycles` batches are in, or the pool is empty.
// The run is filled as points are measured and marked complete at the end; a row per fitted table
// is appended. The pool is deleted at the end unless options.keep_pools. A refused image, refused
// labels or a cycle that did not succeed are errors.
absl::Status PlayStrategy(Client& client, const PlayRequest& request, const PlayListener& listener,
                          PlayResult result);

}  // namespace mgral::client
