#include "server/rpc/status_map.h"

#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/errors.h"
#include "server/base/text.h"

namespace mgral::rpc {
namespace {

constexpr char kDomain[] = "mgral";
constexpr size_t kMaxMessageBytes = 800;
constexpr size_t kMaxDescriptionBytes = 300;
constexpr size_t kMaxFieldBytes = 120;
constexpr size_t kMaxViolationBytes = 2400;  // of all of them; base64 makes a third more of it

// At most `size` bytes, not cut within a character, and nothing that proto would refuse: errors of
// other libraries come in any encoding.
std::string Clean(absl::string_view text, size_t size) {
  std::string clean;
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t length = base::Utf8Length(text, &code_point);
    const size_t piece = length == 0 ? 1 : length;
    if (clean.size() + piece > size) return clean + "...";
    clean += length == 0 ? "?" : std::string(text.substr(0, length));
    text.remove_prefix(piece);
  }
  return clean;
}

template <typename Detail>
void Pack(const Detail& detail, google::rpc::Status* status) {
  status->add_details()->PackFrom(detail);
}

void AddViolations(const absl::Status& status, google::rpc::Status* packed) {
  const std::vector<base::FieldViolation> violations = base::FieldViolations(status);
  if (violations.empty()) return;
  google::rpc::BadRequest bad_request;
  size_t bytes = 0;
  for (const base::FieldViolation& violation : violations) {
    const std::string field = Clean(violation.field, kMaxFieldBytes);
    const std::string description = Clean(violation.description, kMaxDescriptionBytes);
    bytes += field.size() + description.size() + 8;
    if (bytes > kMaxViolationBytes) break;
    auto* item = bad_request.add_field_violations();
    item->set_field(field);
    item->set_description(description);
  }
  Pack(bad_request, packed);
}

void AddRetry(absl::Duration after, google::rpc::Status* packed) {
  if (after <= absl::ZeroDuration()) return;
  google::rpc::RetryInfo retry;
  const int64_t milliseconds = absl::ToInt64Milliseconds(after);
  retry.mutable_retry_delay()->set_seconds(milliseconds / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(milliseconds % 1000 * 1'000'000));
  Pack(retry, packed);
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status packed;
  packed.set_code(static_cast<int>(status.code()));
  packed.set_message(Clean(status.message(), kMaxMessageBytes));

  google::rpc::ErrorInfo info;
  const std::string reason = base::Reason(status);
  info.set_reason(reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  info.set_domain(kDomain);
  Pack(info, &packed);
  AddViolations(status, &packed);
  if (!base::ResourceName(status).empty()) {
    google::rpc::ResourceInfo resource;
    resource.set_resource_type(Clean(base::ResourceType(status), kMaxFieldBytes));
    resource.set_resource_name(Clean(base::ResourceName(status), kMaxDescriptionBytes));
    resource.set_description(Clean(status.message(), kMaxDescriptionBytes));
    Pack(resource, &packed);
  }
  AddRetry(base::RetryAfter(status), &packed);
  // The numbers of both enumerations are the same (google.rpc.Code).
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), packed.message(),
                      packed.SerializeAsString());
}

}  // namespace mgral::rpc
