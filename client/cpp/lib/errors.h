#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}

// Readable errors of refused calls. The google.rpc details of a gRPC status
// (AIP-193) travel as payloads of the absl::Status, under their type URLs.
namespace mgral::client {

struct FieldViolation {
  std::string field;
  std::string description;
};

// OK stays OK. The message keeps the server's words.
absl::Status FromGrpc(const grpc::Status& status);

// google.rpc.ErrorInfo.reason, an UPPER_SNAKE constant such as "POOL_EXHAUSTED"; empty if none.
std::string Reason(const absl::Status& status);
// google.rpc.BadRequest; empty if none.
std::vector<FieldViolation> FieldViolations(const absl::Status& status);
// google.rpc.RetryInfo.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);
// google.rpc.ResourceInfo.resource_name; empty if none. Names what is in the way of ALREADY_EXISTS.
std::string ResourceName(const absl::Status& status);

// True if no server answered: nothing listens there, or the connection broke.
bool IsConnectionFailure(const absl::Status& status);

// A message for users: what went wrong, one line per field, and what to do about it. `target`, the
// server's address, is named if the connection is the problem.
std::string Describe(const absl::Status& status, const std::string& target);

}  // namespace mgral::client
