#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace mgral::rpc {

// The one place where our errors become gRPC's: the code, the message, and as details (AIP-193)
// google.rpc.ErrorInfo {reason, domain "mgral"}, BadRequest, ResourceInfo and RetryInfo, as far as
// server/base/errors.h put them in. Cut to what fits in HTTP/2 trailers, of which clients take
// 8 KiB: the last violations are left out first.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace mgral::rpc
