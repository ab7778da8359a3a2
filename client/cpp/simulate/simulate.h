// `mgral simulate`: replays a labelled dataset through the real service.
#pragma once

#include "absl/status/statusor.h"
#include "client/cpp/dataset.h"
#include "client/cpp/report/results.h"
#include "client/cpp/session.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

// Plays every strategy with every seed, seeds outermost, so that an interrupted run leaves whole
// comparisons. OUT/results.json is written anew after every point, OUT/report.html after every run;
// both hold what was measured when an error ends the simulation.
absl::StatusOr<Results> Simulate(Client& client, const Dataset& dataset,
                                 const SimulateOptions& options, Session& session);

}  // namespace mgral::client
