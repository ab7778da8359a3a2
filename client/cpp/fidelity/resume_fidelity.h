// How a fidelity.json was measured, and whether a run can continue from it.
#pragma once

#include "absl/status/statusor.h"
#include "client/cpp/fidelity/fidelity.h"

namespace mgral::client {

nlohmann::ordered_json DescribeFidelity(const FidelityOptions& options, const Partition& partition,
                                        const Dataset& dataset);

// `found` with the protocol of `wanted`, which may have other training seeds and another second
// profile. FailedPrecondition ("--resume: ...") names the first other difference.
absl::StatusOr<FidelityResults> GoOnWith(FidelityResults found, FidelityResults wanted);

}  // namespace mgral::client
