#include "server/base/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace mgral::base {
namespace {

// Payload keys of absl::Status. Values are plain text; violations are separated by \x1e, the two
// halves of one by \x1f, which no field name or message of ours contains.
constexpr char kReason[] = "mgral/reason";
constexpr char kViolations[] = "mgral/violations";
constexpr char kResourceType[] = "mgral/resource_type";
constexpr char kResourceName[] = "mgral/resource_name";
constexpr char kRetry[] = "mgral/retry_ms";

std::string Payload(const absl::Status& status, const char* key) {
  const auto payload = status.GetPayload(key);
  return payload ? std::string(*payload) : std::string();
}

absl::Status WithReason(absl::Status status, const std::string& reason) {
  status.SetPayload(kReason, absl::Cord(reason));
  return status;
}

void SetViolations(absl::Status* status, const std::vector<FieldViolation>& violations) {
  status->SetPayload(
      kViolations,
      absl::Cord(absl::StrJoin(violations, "\x1e", [](std::string* out, const FieldViolation& v) {
        absl::StrAppend(out, v.field, "\x1f", v.description);
      })));
}

std::string Describe(const std::vector<FieldViolation>& violations) {
  return absl::StrJoin(violations, "; ", [](std::string* out, const FieldViolation& v) {
    absl::StrAppend(out, v.field, ": ", v.description);
  });
}

}  // namespace

absl::Status InvalidField(const std::string& field, const std::string& description) {
  return InvalidFields({{field, description}});
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  absl::Status status =
      WithReason(absl::InvalidArgumentError(Describe(violations)), "INVALID_FIELD");
  SetViolations(&status, violations);
  return status;
}

absl::Status NotFound(const std::string& resource_type, const std::string& resource_name) {
  absl::Status status = WithReason(
      absl::NotFoundError(absl::StrCat(resource_type, " ", resource_name, " does not exist")),
      "NOT_FOUND");
  status.SetPayload(kResourceType, absl::Cord(resource_type));
  status.SetPayload(kResourceName, absl::Cord(resource_name));
  return status;
}

absl::Status AlreadyExists(const std::string& resource_type, const std::string& resource_name,
                           const std::string& what_to_do) {
  absl::Status status =
      WithReason(absl::AlreadyExistsError(absl::StrCat(resource_type, " ", resource_name,
                                                       " already exists: ", what_to_do)),
                 "ALREADY_EXISTS");
  status.SetPayload(kResourceType, absl::Cord(resource_type));
  status.SetPayload(kResourceName, absl::Cord(resource_name));
  return status;
}

absl::Status FailedPrecondition(const std::string& reason, const std::string& message,
                                const std::string& field) {
  absl::Status status = WithReason(absl::FailedPreconditionError(message), reason);
  if (!field.empty()) SetViolations(&status, {{field, message}});
  return status;
}

absl::Status Overloaded(const std::string& message, absl::Duration retry_after) {
  absl::Status status = WithReason(absl::ResourceExhaustedError(message), "OVERLOADED");
  status.SetPayload(kRetry, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(retry_after))));
  return status;
}

absl::Status Unavailable(const std::string& message, absl::Duration retry_after) {
  absl::Status status = WithReason(absl::UnavailableError(message), "UNAVAILABLE");
  status.SetPayload(kRetry, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(retry_after))));
  return status;
}

absl::Status Unauthenticated(const std::string& reason, const std::string& message) {
  return WithReason(absl::UnauthenticatedError(message), reason);
}

absl::Status PermissionDenied(const std::string& reason, const std::string& message) {
  return WithReason(absl::PermissionDeniedError(message), reason);
}

absl::Status LeaseLost(const std::string& message) {
  return WithReason(absl::AbortedError(message), "LEASE_LOST");
}

bool IsLeaseLost(const absl::Status& status) { return Reason(status) == "LEASE_LOST"; }

absl::Status WithFields(absl::Status status, const std::vector<FieldViolation>& violations) {
  SetViolations(&status, violations);
  return status;
}

std::vector<FieldViolation> FieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const std::string text = Payload(status, kViolations);
  if (text.empty()) return violations;
  for (const absl::string_view item : absl::StrSplit(text, '\x1e')) {
    const std::pair<std::string, std::string> halves =
        absl::StrSplit(item, absl::MaxSplits('\x1f', 1));
    violations.push_back({halves.first, halves.second});
  }
  return violations;
}

std::string Reason(const absl::Status& status) { return Payload(status, kReason); }
std::string ResourceType(const absl::Status& status) { return Payload(status, kResourceType); }
std::string ResourceName(const absl::Status& status) { return Payload(status, kResourceName); }

absl::Duration RetryAfter(const absl::Status& status) {
  int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(Payload(status, kRetry), &milliseconds)) return absl::ZeroDuration();
  return absl::Milliseconds(milliseconds);
}

absl::Status PrefixFields(const absl::Status& status, const std::string& prefix) {
  std::vector<FieldViolation> violations = FieldViolations(status);
  if (violations.empty()) return status;
  for (FieldViolation& violation : violations) violation.field = prefix + violation.field;
  absl::Status prefixed(status.code(), Describe(violations));
  status.ForEachPayload(
      [&](absl::string_view key, const absl::Cord& value) { prefixed.SetPayload(key, value); });
  SetViolations(&prefixed, violations);
  return prefixed;
}

}  // namespace mgral::base
