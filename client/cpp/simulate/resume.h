// Going on with a simulation that was interrupted, or adding strategies and seeds to one.
#pragma once

#include "absl/status/statusor.h"
#include "client/cpp/report/results.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

// `wanted` with the finished runs of `found`, their tables and costs at the rates of `options`; the
// strategies and seeds of both. FailedPrecondition, naming the first difference, where the two were
// not measured alike.
absl::StatusOr<Results> KeepFinishedRuns(Results found, Results wanted,
                                         const SimulateOptions& options);

}  // namespace mgral::client
