#include "server/imaging/fetch_uri.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;

constexpr char kField[] = "source.uri";

bool BelowPrefix(const std::string& uri, std::string prefix) {
  if (prefix.empty()) return false;
  // "https://a.example" must not allow "https://a.example.evil".
  if (!absl::EndsWith(prefix, "/")) prefix += "/";
  return absl::StartsWith(uri, prefix);
}

absl::Status CheckUri(const std::string& uri, const FetchLimits& limits) {
  for (const char c : uri) {
    if (absl::ascii_iscntrl(c) || c == ' ' || c == '\\') {
      return InvalidField(kField, "has characters that an address may not have");
    }
  }
  const std::string lower = absl::AsciiStrToLower(uri);
  if (absl::StrContains(lower, "/../") || absl::EndsWith(lower, "/..") ||
      absl::StrContains(lower, "%2e")) {
    return InvalidField(kField, "has \"..\": it could leave the allowed prefix");
  }
  for (const std::string& prefix : limits.prefixes) {
    if (BelowPrefix(uri, prefix)) return absl::OkStatus();
  }
  return InvalidField(kField,
                      "is not below an allowed prefix (option uri_prefixes of this server)");
}

struct Sink {
  std::string bytes;
  int64_t max_bytes = 0;
};

size_t Append(char* data, size_t size, size_t count, void* context) {
  auto* sink = static_cast<Sink*>(context);
  const size_t more = size * count;
  if (static_cast<int64_t>(sink->bytes.size() + more) > sink->max_bytes) return 0;
  sink->bytes.append(data, more);
  return more;
}

absl::Status TransferError(CURLcode code, long status, const FetchLimits& limits) {
  if (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED) {
    return InvalidField(kField, absl::StrCat("is longer than ", limits.max_bytes, " bytes"));
  }
  if (code != CURLE_OK || status >= 500) {
    return base::Unavailable(absl::StrCat("cannot fetch the image: ",
                                          code != CURLE_OK ? std::string(curl_easy_strerror(code))
                                                           : absl::StrCat("HTTP status ", status)),
                             absl::Seconds(5));
  }
  if (status >= 300 && status < 400) {
    return InvalidField(kField, "is redirected; give the final address");
  }
  return InvalidField(kField, absl::StrCat("was answered with HTTP status ", status));
}

}  // namespace

absl::StatusOr<std::string> FetchUri(const std::string& uri, const FetchLimits& limits) {
  const absl::Status allowed = CheckUri(uri, limits);
  if (!allowed.ok()) return allowed;
  static std::once_flag initialised;
  std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) return absl::ResourceExhaustedError("no memory for a transfer");
  Sink sink;
  sink.max_bytes = limits.max_bytes;
  curl_easy_setopt(curl.get(), CURLOPT_URL, uri.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);  // other threads run
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(limits.timeout)));
  curl_easy_setopt(curl.get(), CURLOPT_MAXFILESIZE_LARGE,
                   static_cast<curl_off_t>(limits.max_bytes));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK || status != 200) return TransferError(code, status, limits);
  return std::move(sink.bytes);
}

}  // namespace mgral::imaging
