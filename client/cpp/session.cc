#include "client/cpp/session.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <ostream>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/cpp/errors.h"
#include "google/protobuf/util/json_util.h"

namespace mgral::client {
namespace {

// Marks errors that are the caller's, not the server's.
constexpr char kUsage[] = "mgral.client/usage";

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) {
    return UsageError(absl::StrCat(path, ": cannot be read as a PEM file"));
  }
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

absl::StatusOr<Client*> Session::client() {
  if (client_ != nullptr) return client_.get();
  ClientOptions options;
  options.target = server;
  options.timeout = absl::Seconds(timeout_seconds);
  if (tls || !tls_ca.empty() || !tls_certificate.empty()) {
    TlsOptions pem;
    const std::pair<const std::string*, std::string*> files[] = {
        {&tls_ca, &pem.root_certificates},
        {&tls_certificate, &pem.certificate},
        {&tls_key, &pem.private_key}};
    for (const auto& [path, text] : files) {
      absl::StatusOr<std::string> read = ReadPem(*path);
      if (!read.ok()) return read.status();
      *text = *std::move(read);
    }
    options.tls = std::move(pem);
  }
  client_ = std::make_unique<Client>(std::move(options));
  return client_.get();
}

void Session::PrintJson(const Json& document) {
  printed_json_ = true;
  // Texts of servers and files may hold anything: what is no UTF-8 is replaced.
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
  // A command that did part of its work has printed that.
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
    return UsageError(absl::StrCat(option, ": \"", text, "\" is no duration: write 90s, 45m, 2h"));
  }
  return duration;
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    return UsageError(absl::StrCat(path, ": cannot be written: does its directory exist, is there ",
                                   "room on the disk?"));
  }
  return absl::OkStatus();
}

std::string PoolName(const std::string& pool) {
  return absl::StartsWith(pool, "pools/") ? pool : absl::StrCat("pools/", pool);
}

}  // namespace mgral::client
