#include "server/imaging/uri_fetcher.h"

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/domain/image_fault.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;
using domain::ImageFault;

constexpr char kField[] = "source.uri";
// How soon the end of a call is noticed.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// "host:port" of an address, as it is written there.
std::string HostOf(const std::string& uri) {
  const size_t begin = uri.find("://") + 3;
  const std::string authority = uri.substr(begin, uri.find_first_of("/?#", begin) - begin);
  const size_t at = authority.rfind('@');
  return absl::AsciiStrToLower(at == std::string::npos ? authority : authority.substr(at + 1));
}

bool BelowPrefix(const std::string& uri, std::string prefix) {
  if (prefix.empty()) return false;
  // "https://a.example" must not allow "https://a.example.evil".
  if (!absl::EndsWith(prefix, "/")) prefix += "/";
  return absl::StartsWith(uri, prefix);
}

// The address is at fault, not what the image holds.
absl::Status BadAddress(const std::string& description) {
  return WithFault(InvalidField(kField, description), ImageFault::kMissing);
}

absl::Status CheckUri(const std::string& uri, const FetchLimits& limits) {
  for (const char c : uri) {
    if (absl::ascii_iscntrl(c) || c == ' ' || c == '\\') {
      return BadAddress("has characters that are not allowed in a URI");
    }
  }
  const std::string lower = absl::AsciiStrToLower(uri);
  if (absl::StrContains(lower, "/../") || absl::EndsWith(lower, "/..") ||
      absl::StrContains(lower, "%2e")) {
    return BadAddress("has \"..\": it could leave the allowed prefix");
  }
  for (const std::string& prefix : limits.prefixes) {
    if (BelowPrefix(uri, prefix)) return absl::OkStatus();
  }
  return WithFault(
      InvalidField(kField, "is not below an allowed prefix (option uri_prefixes of this server)"),
      ImageFault::kConfiguration);
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
    std::string why = absl::StrCat("HTTP status ", status);
    if (code != CURLE_OK) why = curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT) why = "its server does not answer, or is too slow";
    return base::Unavailable(absl::StrCat("cannot fetch the image: ", why), absl::Seconds(5));
  }
  if (status >= 300 && status < 400) {
    return BadAddress("is redirected; give the final address");
  }
  const bool later = status == 408 || status == 425 || status == 429;
  return WithFault(InvalidField(kField, absl::StrCat("was answered with HTTP status ", status)),
                   later ? ImageFault::kUnreachable : ImageFault::kMissing);
}

void SetOptions(CURL* curl, const std::string& uri, const FetchLimits& limits, Sink* sink) {
  const auto milliseconds = [](absl::Duration duration) {
    return static_cast<long>(absl::ToInt64Milliseconds(duration));
  };
  curl_easy_setopt(curl, CURLOPT_URL, uri.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);    // other threads run
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);  // a name that is being looked up is left behind
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(limits.timeout));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(limits.low_speed_bytes));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(absl::ToInt64Seconds(limits.low_speed_time)));
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(limits.max_bytes));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
}

// One transfer, which goes on as long as `check` is OK; then gives libcurl's result.
absl::StatusOr<CURLcode> Perform(CURL* curl, const std::function<absl::Status()>& check) {
  const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi(curl_multi_init(),
                                                                    &curl_multi_cleanup);
  if (!multi) return CURLE_OUT_OF_MEMORY;
  if (curl_multi_add_handle(multi.get(), curl) != CURLM_OK) return CURLE_FAILED_INIT;
  absl::Status status;
  CURLMcode code = CURLM_OK;
  int running = 1;
  while (status.ok() && code == CURLM_OK && running > 0) {
    code = curl_multi_perform(multi.get(), &running);
    if (code == CURLM_OK && running > 0) {
      const int tick = static_cast<int>(absl::ToInt64Milliseconds(kTick));
      code = curl_multi_poll(multi.get(), nullptr, 0, tick, nullptr);
      status = check();
    }
  }
  CURLcode result = CURLE_FAILED_INIT;
  int left = 0;
  const CURLMsg* const message = curl_multi_info_read(multi.get(), &left);
  if (message != nullptr) result = message->data.result;
  curl_multi_remove_handle(multi.get(), curl);
  if (!status.ok()) return status;
  return result;
}

}  // namespace

absl::Status UriFetcher::Check(const domain::CallContext& call) const {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::CancelledError("the server is shutting down");
  }
  return call.Check();
}

absl::Status UriFetcher::TakePlace(const domain::CallContext& call, const std::string& host) {
  const auto free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto of_host = transfers_.find(host);
    return total_ < limits_.total &&
           (of_host == transfers_.end() || of_host->second < limits_.per_host);
  };
  while (true) {
    MGRAL_RETURN_IF_ERROR(Check(call));
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), kTick)) continue;
    ++total_;
    ++transfers_[host];
    return absl::OkStatus();
  }
}

void UriFetcher::GivePlace(const std::string& host) {
  absl::MutexLock lock(&mutex_);
  --total_;
  if (--transfers_[host] == 0) transfers_.erase(host);
}

void UriFetcher::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

absl::StatusOr<std::string> UriFetcher::Fetch(const domain::CallContext& call,
                                              const std::string& uri) {
  MGRAL_RETURN_IF_ERROR(CheckUri(uri, limits_));
  const std::string host = HostOf(uri);
  MGRAL_RETURN_IF_ERROR(TakePlace(call, host));
  absl::StatusOr<std::string> bytes = Transfer(call, uri);
  GivePlace(host);
  return bytes;
}

absl::StatusOr<std::string> UriFetcher::Transfer(const domain::CallContext& call,
                                                 const std::string& uri) {
  static std::once_flag initialized;
  std::call_once(initialized, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  if (!curl) return absl::ResourceExhaustedError("no memory for a transfer");
  Sink sink;
  sink.max_bytes = limits_.max_bytes;
  SetOptions(curl.get(), uri, limits_, &sink);
  const absl::StatusOr<CURLcode> code = Perform(curl.get(), [&] { return Check(call); });
  if (!code.ok()) return code.status();
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (*code != CURLE_OK || status != 200) return TransferError(*code, status, limits_);
  return std::move(sink.bytes);
}

}  // namespace mgral::imaging
