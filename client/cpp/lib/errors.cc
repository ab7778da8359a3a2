#include "client/cpp/lib/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/grpcpp.h"

namespace mgral::client {
namespace {

// Payload under which the client itself marks a failure without any answer of a server.
constexpr char kNoAnswer[] = "mgral.client/no_answer";

std::string TypeUrl(const google::protobuf::Descriptor* descriptor) {
  return absl::StrCat("type.googleapis.com/", std::string(descriptor->full_name()));
}

template <typename Message>
std::optional<Message> Detail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl(Message::descriptor()));
  if (!payload.has_value()) return std::nullopt;
  Message message;
  if (!message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

// What to do about a failure of which the server says no more than its code.
std::string Advice(const absl::Status& status) {
  if (IsConnectionFailure(status)) {
    return "Is the server running? Give its address with --server=HOST:PORT or MGRAL_SERVER; a "
           "server with TLS needs --tls or --tls-ca.";
  }
  if (const auto delay = RetryDelay(status)) {
    return absl::StrCat("Try again in ", absl::FormatDuration(*delay), ".");
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "The server did not answer in time. Allow more with --timeout=SECONDS.";
    case absl::StatusCode::kUnimplemented:
      return "The server is older than this client: update it.";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return "This is a server error: its log says more.";
    case absl::StatusCode::kUnauthenticated:
      return "Give your API key with --api-key-file=FILE, MGRAL_API_KEY_FILE or MGRAL_API_KEY; the "
             "server's operator creates one.";
    case absl::StatusCode::kPermissionDenied:
      return "Ask the server's operator for access.";
    default:
      return "";
  }
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  const bool has_details =
      !status.error_details().empty() && details.ParseFromString(status.error_details());
  if (has_details) {
    for (const google::protobuf::Any& detail : details.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  } else if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    // mgral-server says why it is unavailable; gRPC's own transport errors carry no details.
    result.SetPayload(kNoAnswer, absl::Cord("1"));
  }
  return result;
}

std::string Reason(const absl::Status& status) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::vector<FieldViolation> FieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  if (const auto request = Detail<google::rpc::BadRequest>(status)) {
    for (const auto& violation : request->field_violations()) {
      violations.push_back({violation.field(), violation.description()});
    }
  }
  return violations;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto info = Detail<google::rpc::RetryInfo>(status);
  if (!info.has_value()) return std::nullopt;
  const absl::Duration delay =
      absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
  return delay < absl::ZeroDuration() ? absl::ZeroDuration() : delay;
}

std::string ResourceName(const absl::Status& status) {
  const auto info = Detail<google::rpc::ResourceInfo>(status);
  return info.has_value() ? info->resource_name() : "";
}

bool IsConnectionFailure(const absl::Status& status) {
  return status.GetPayload(kNoAnswer).has_value();
}

std::string Describe(const absl::Status& status, const std::string& target) {
  if (status.ok()) return "";
  const std::string message(status.message());
  const std::string reason = Reason(status);
  std::string text = absl::StrCat("error: ", message.empty() ? CodeName(status.code()) : message);
  if (IsConnectionFailure(status)) {
    text = absl::StrCat("error: no mgral-server answers at ", target, " (", message, ")");
  }
  if (!reason.empty()) absl::StrAppend(&text, " [", reason, "]");
  for (const FieldViolation& violation : FieldViolations(status)) {
    // A status of a single field repeats it in its message.
    if (absl::StrContains(message, violation.field) &&
        absl::StrContains(message, violation.description)) {
      continue;
    }
    absl::StrAppend(&text, "\n  ", violation.field, ": ", violation.description);
  }
  const std::string advice = Advice(status);
  if (!advice.empty()) absl::StrAppend(&text, "\n", advice);
  return text;
}

}  // namespace mgral::client
