#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

// Named constructors for every error a user can meet. The details travel inside the status and
// server/rpc/status_map turns them into google.rpc messages, so nobody else formats errors.
namespace mgral::base {

// What is wrong with one field of a request, e.g. {"images[3].source.path", "leaves the image
// root"}.
struct FieldViolation {
  std::string field;
  std::string description;
};

// INVALID_ARGUMENT: the request can never succeed as it is. `description` says what to do.
absl::Status InvalidField(const std::string& field, const std::string& description);
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// NOT_FOUND: e.g. NotFound("pool", "pools/cats").
absl::Status NotFound(const std::string& resource_type, const std::string& resource_name);

// ALREADY_EXISTS with the name of what is in the way.
absl::Status AlreadyExists(const std::string& resource_type, const std::string& resource_name,
                           const std::string& what_to_do);

// FAILED_PRECONDITION: `reason` is an UPPER_SNAKE constant, e.g. "POOL_EXHAUSTED", `field` may be
// empty.
absl::Status FailedPrecondition(const std::string& reason, const std::string& message,
                                const std::string& field = "");

// RESOURCE_EXHAUSTED / UNAVAILABLE with a hint when to try again.
absl::Status Overloaded(const std::string& message, absl::Duration retry_after);
absl::Status Unavailable(const std::string& message, absl::Duration retry_after);

// UNAUTHENTICATED: the caller is unknown. PERMISSION_DENIED: the caller may not do that. `reason`
// as above, `message` says what to do.
absl::Status Unauthenticated(const std::string& reason, const std::string& message);
absl::Status PermissionDenied(const std::string& reason, const std::string& message);

// ABORTED, reason "LEASE_LOST": a worker that was thought dead may not publish.
absl::Status LeaseLost(const std::string& message);
bool IsLeaseLost(const absl::Status& status);

// The same error, of any code, with the fields of the request that it is about.
absl::Status WithFields(absl::Status status, const std::vector<FieldViolation>& violations);

// What the constructors above put in; empty where there is nothing.
std::vector<FieldViolation> FieldViolations(const absl::Status& status);
std::string Reason(const absl::Status& status);  // always set for errors made here
std::string ResourceType(const absl::Status& status);
std::string ResourceName(const absl::Status& status);
absl::Duration RetryAfter(const absl::Status& status);  // zero if none

// The same error with every violation's field prefixed, e.g. "images[3].".
absl::Status PrefixFields(const absl::Status& status, const std::string& prefix);

}  // namespace mgral::base
