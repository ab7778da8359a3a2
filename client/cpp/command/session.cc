#include "client/cpp/command/session.h"

#include <cstdlib>
#include <fstream>
#include <ostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/cpp/lib/credentials.h"
#include "client/cpp/lib/errors.h"
#include "client/cpp/lib/files.h"
#include "google/protobuf/util/json_util.h"

namespace mgral::client {
namespace {

// Marks errors of the user, not of the server.
constexpr char kUsage[] = "mgral.client/usage";

absl::StatusOr<std::string> ReadText(const std::string& path, const std::string& what) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) return UsageError(absl::StrCat(path, ": cannot be read as ", what));
  return text;
}

// From --api-key-file, else from the environment. Never from the command line, which everybody on
// the machine can read.
absl::StatusOr<std::string> ReadApiKey(const std::string& path) {
  if (path.empty()) {
    const char* key = std::getenv("MGRAL_API_KEY");
    return std::string(key == nullptr ? "" : key);
  }
  absl::StatusOr<std::string> text = ReadText(path, "an API key");
  if (text.ok()) absl::StripAsciiWhitespace(&*text);
  return text;
}

Json ErrorJson(const absl::Status& status) {
  Json error = {{"code", absl::StatusCodeToString(status.code())},
                {"reason", Reason(status)},
                {"message", std::string(status.message())},
                {"fields", Json::array()}};
  for (const FieldViolation& violation : FieldViolations(status)) {
    error["fields"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  return {{"error", std::move(error)}};
}

}  // namespace

absl::Status Session::FillCredentials(ClientOptions* options) const {
  if (tls || !tls_ca.empty() || !tls_certificate.empty()) {
    TlsOptions pem;
    const std::pair<const std::string*, std::string*> files[] = {
        {&tls_ca, &pem.root_certificates},
        {&tls_certificate, &pem.certificate},
        {&tls_key, &pem.private_key}};
    for (const auto& [path, text] : files) {
      absl::StatusOr<std::string> read = ReadText(*path, "a PEM file");
      if (!read.ok()) return read.status();
      *text = *std::move(read);
    }
    options->tls = std::move(pem);
  }
  absl::StatusOr<std::string> key = ReadApiKey(api_key_file);
  if (!key.ok()) return key.status();
  options->api_key = *std::move(key);
  options->api_key_over_plain_text = insecure_key;
  const absl::Status checked = CheckApiKey(*options);
  if (checked.ok()) return checked;
  const char* what_to_do =
      absl::IsFailedPrecondition(checked) ? ": use --tls or --tls-ca, or --insecure-key" : "";
  return UsageError(absl::StrCat(checked.message(), what_to_do));
}

absl::StatusOr<Client*> Session::client() {
  if (client_ != nullptr) return client_.get();
  ClientOptions options;
  options.target = server;
  options.timeout = absl::Seconds(timeout_seconds);
  const absl::Status filled = FillCredentials(&options);
  if (!filled.ok()) return filled;
  client_ = std::make_unique<Client>(std::move(options));
  return client_.get();
}

void Session::PrintJson(const Json& document) {
  printed_json_ = true;
  // Texts of servers and files may hold anything: invalid UTF-8 is replaced.
  out_ << document.dump(2, ' ', false, Json::error_handler_t::replace) << "\n" << std::flush;
}

void Session::Note(const std::string& text) { error_ << text << "\n" << std::flush; }

std::unique_ptr<ProgressBar> Session::Progress(const std::string& label, int64_t total,
                                               const std::string& unit) {
  ProgressOptions options;
  options.stream = &error_;
  return std::make_unique<ProgressBar>(label, total, unit, std::move(options));
}

void Session::Finish(const absl::Status& status) {
  if (status.ok()) return;
  // A command that did part of its work has already printed a document.
  if (json && !printed_json_) PrintJson(ErrorJson(status));
  Note(Describe(status, server));
  exit_code_ = status.GetPayload(kUsage).has_value() ? kExitUsage
               : IsConnectionFailure(status)         ? kExitNoConnection
                                                     : kExitFailed;
}

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsage, absl::Cord("1"));
  return status;
}

Json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  return status.ok() ? Json::parse(text) : Json(status.ToString());
}

std::string FormatTimestamp(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string FormatGain(bool has_gain, const v1::Gain& gain) {
  if (!has_gain) return "-";
  return absl::StrFormat("%+.4f ± %.4f", gain.mean(), gain.standard_error());
}

absl::StatusOr<absl::Duration> ParseDurationOption(const std::string& text,
                                                   const std::string& option) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration() ||
      duration == absl::InfiniteDuration()) {
    return UsageError(
        absl::StrCat(option, ": \"", text, "\" is not a duration such as 90s, 45m, or 2h"));
  }
  return duration;
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  const absl::Status status = ReplaceFile(path, content);
  return status.ok() ? status : UsageError(std::string(status.message()));
}

std::string PoolName(const std::string& pool) {
  return absl::StartsWith(pool, "pools/") ? pool : absl::StrCat("pools/", pool);
}

}  // namespace mgral::client
