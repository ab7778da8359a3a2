#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/prior/fit_prior.h"

namespace mgral::client {

// The pool that `mgral simulate` played into this folder: its finished runs, which are of one seed
// and share their first cycle. InvalidArgument, naming file and field, for a file that is no such
// simulation, that has no table, or whose table has other features than this program's.
absl::StatusOr<SimulatedPool> ReadPool(const std::string& folder);

}  // namespace mgral::client
