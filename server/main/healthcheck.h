#pragma once

#include <string>

#include "absl/status/status.h"

namespace mgral::server {

struct HealthcheckTls {
  bool on = false;
  std::string certificate_file, key_file;  // PEM; shown if the server asks for a certificate
};

// Asks grpc.health.v1 of the server at HOST:PORT. OK when it is SERVING. With TLS it takes any
// certificate: it tells the server nothing, it mostly asks its own container, and the names in a
// certificate are not "localhost".
absl::Status CheckHealth(const std::string& target, const HealthcheckTls& tls = {});

}  // namespace mgral::server
