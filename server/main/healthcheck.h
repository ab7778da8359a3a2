#pragma once

#include <string>

#include "absl/status/status.h"

namespace mgral::server {

// Asks grpc.health.v1 of the server at HOST:PORT. OK when it is SERVING.
absl::Status CheckHealth(const std::string& target);

}  // namespace mgral::server
