// `mgral simulate`: replays a labeled dataset through the real service.
#pragma once

#include "absl/status/statusor.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/progress.h"
#include "client/cpp/report/results.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

// Plays every strategy with every seed, seeds outermost, so that an interrupted run leaves whole
// comparisons. The strategies that SharesFirstCycle share that of a seed, except with
// options.warm_start. OUT/results.json is written anew after every point, OUT/report.html after
// every run; both hold what was measured when an error ends the simulation. With options.resume the
// finished runs that OUT/results.json holds are kept, and those that broke off are played anew.
// `progress` counts the points.
absl::StatusOr<Results> Simulate(Client& client, const Dataset& dataset,
                                 const SimulateOptions& options, ProgressBar& progress);

}  // namespace mgral::client
