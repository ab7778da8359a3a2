#include "server/rpc/request_fields.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/app/field_errors.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/rpc/api_keys.h"

namespace mgral::rpc {
namespace {

constexpr size_t kMaxTokenBytes = 1024;

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializePartialToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

absl::StatusOr<domain::RequestKey> ToRequestKey(const std::string& method,
                                                const google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  domain::RequestKey key;
  key.method = method;
  key.request_id = request.GetReflection()->GetString(request, field);
  if (key.request_id.empty()) return key;
  const std::string problem = app::TextProblem(key.request_id, base::kMaxTextBytes);
  if (!problem.empty()) return base::InvalidField("request_id", problem);
  const std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  copy->GetReflection()->ClearField(copy.get(), field);
  key.fingerprint = absl::BytesToHexString(Sha256(DeterministicBytes(*copy)));
  return key;
}

absl::StatusOr<domain::PageRequest> ToPage(int page_size, const std::string& page_token) {
  if (page_size < 0) {
    return base::InvalidField("page_size",
                              absl::StrCat("is ", page_size, "; it must be from 0 (for ",
                                           base::kDefaultPageSize, ") to ", base::kMaxPageSize));
  }
  if (page_token.size() > kMaxTokenBytes) {
    return base::InvalidField("page_token", "is not a token that this server issued");
  }
  domain::PageRequest page;
  page.size = page_size == 0 ? base::kDefaultPageSize : std::min(page_size, base::kMaxPageSize);
  page.token = page_token;
  return page;
}

absl::StatusOr<absl::Duration> ToDuration(const google::protobuf::Duration& duration,
                                          const std::string& field) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;  // of google.protobuf.Duration
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  const bool mixed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
  if (seconds > kMaxSeconds || seconds < -kMaxSeconds || nanos > 999'999'999 ||
      nanos < -999'999'999 || mixed) {
    return base::InvalidField(field, "is not a valid duration");
  }
  return absl::Seconds(seconds) + absl::Nanoseconds(nanos);
}

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t nanos = absl::ToUnixNanos(time);
  int64_t seconds = nanos / 1'000'000'000;
  int64_t rest = nanos % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(rest));
}

}  // namespace mgral::rpc
