#include "server/main/security.h"

#include <spdlog/spdlog.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/base/status_macros.h"

namespace mgral::server {
namespace {

constexpr absl::Duration kReloadInterval = absl::Seconds(1);
// How long before its end a certificate is warned of when it is taken.
constexpr absl::Duration kShortCertificate = absl::Hours(24 * 7);

absl::Status CheckOptions(const Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls_cert and tls_key belong together, but ",
                     options.tls_cert.empty() ? "tls_cert" : "tls_key", " is empty"));
  }
  if (options.tls_cert.empty() && !options.tls_client_ca.empty()) {
    return absl::InvalidArgumentError(
        "tls_client_ca needs TLS: give tls_cert and tls_key, or leave tls_client_ca empty");
  }
  return absl::OkStatus();
}

void LogCertificate(const std::string& path, absl::Time not_after) {
  const std::string end = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", not_after, absl::UTCTimeZone());
  const bool short_lived = not_after - absl::Now() < kShortCertificate;
  spdlog::log(short_lived ? spdlog::level::warn : spdlog::level::info,
              "tls_cert {}: the certificate is valid until {}", path, end);
}

void WarnIfExposed(const Options& options) {
  if (!options.api || IsLoopback(options.listen)) return;
  if (options.tls_cert.empty()) {
    spdlog::warn(
        "listening on {} WITHOUT TLS: anyone on the network path can read and change every "
        "call (set tls_cert and tls_key, or terminate TLS in front of this server)",
        options.listen);
  }
  if (options.api_keys.empty() && options.tls_client_ca.empty()) {
    spdlog::warn(
        "listening on {} WITHOUT API KEYS: anyone who can connect can read, change and delete "
        "every "
        "pool (set api_keys, or tls_client_ca)",
        options.listen);
  }
}

}  // namespace

bool IsLoopback(const std::string& address) {
  absl::string_view host = address;
  if (absl::StartsWith(host, "unix:") || absl::StartsWith(host, "unix-abstract:")) return true;
  for (const absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&host, scheme)) break;
  }
  if (absl::ConsumePrefix(&host, "[")) {
    host = host.substr(0, host.find(']'));
  } else {
    host = host.substr(0, host.find(':'));
  }
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

absl::StatusOr<std::unique_ptr<Security>> Security::Open(const Options& options) {
  MGRAL_RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Security> security(new Security());
  auto authentication = rpc::Authentication::Open(options.api_keys);
  if (!authentication.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("api_keys ", authentication.status().message()));
  }
  security->authentication_ = *std::move(authentication);
  security->api_keys_ = options.api_keys;
  if (!options.tls_cert.empty()) {
    MGRAL_ASSIGN_OR_RETURN(
        auto certificates,
        rpc::ServerCertificates::Open({options.tls_cert, options.tls_key, options.tls_client_ca}));
    security->certificates_ = std::move(certificates);
    security->tls_cert_ = options.tls_cert;
    LogCertificate(options.tls_cert, security->certificates_->not_after());
  }
  WarnIfExposed(options);
  if (!options.api_keys.empty() || !options.tls_cert.empty()) {
    security->reloader_.Start([s = security.get()](const base::StopSignal& stop) {
      while (!stop.WaitFor(kReloadInterval)) s->Reload();
    });
  }
  return security;
}

std::shared_ptr<grpc::ServerCredentials> Security::NewCredentials() {
  return certificates_ ? certificates_->NewCredentials() : grpc::InsecureServerCredentials();
}

void Security::Reload() {
  const auto keys = authentication_->Reload();
  if (!keys.ok()) {
    spdlog::error("api_keys {}: the keys stay as they were", std::string(keys.status().message()));
  } else if (*keys) {
    spdlog::info("api_keys {}: taken again, {} keys", api_keys_, authentication_->size());
  }
  if (!certificates_) return;
  const auto certificates = certificates_->Reload();
  if (!certificates.ok()) {
    spdlog::error("{}: the certificates stay as they were",
                  std::string(certificates.status().message()));
  } else if (*certificates) {
    LogCertificate(tls_cert_, certificates_->not_after());
  }
}

}  // namespace mgral::server
