#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/domain/request.h"

// Fields that many requests have in common.
namespace mgral::rpc {

// Of a request with a `request_id`. The fingerprint is the SHA-256 of the request without it.
// Errors: INVALID_ARGUMENT on "request_id".
absl::StatusOr<domain::RequestKey> ToRequestKey(const std::string& method,
                                                const google::protobuf::Message& request);

// Errors: INVALID_ARGUMENT on "page_size", "page_token". Sizes beyond the limit are cut to it
// (AIP-158).
absl::StatusOr<domain::PageRequest> ToPage(int page_size, const std::string& page_token);

// Errors: INVALID_ARGUMENT on `field` for a duration that no google.protobuf.Duration may hold.
absl::StatusOr<absl::Duration> ToDuration(const google::protobuf::Duration& duration,
                                          const std::string& field);

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* timestamp);

}  // namespace mgral::rpc
