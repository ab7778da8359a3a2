#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/domain/model_runtime.h"

namespace mgral::cycle {

// A probe's response as the JSON result of its job; null is an AP that could not be measured.
std::string WriteProbeResult(const domain::ModelRuntime::ProbeResponse& response);
absl::StatusOr<domain::ModelRuntime::ProbeResponse> ReadProbeResult(const std::string& json);

}  // namespace mgral::cycle
