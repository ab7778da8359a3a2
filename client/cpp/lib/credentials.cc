#include "client/cpp/lib/credentials.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mgral::client {
namespace {

constexpr size_t kMaxKeyBytes = 500;

}  // namespace

bool IsLoopback(const std::string& target) {
  absl::string_view host = target;
  if (absl::StrContains(host, ',')) return false;  // several addresses, one of which may not be
  if (absl::StartsWith(host, "unix:") || absl::StartsWith(host, "unix-abstract:")) return true;
  for (const absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&host, scheme)) break;
  }
  if (absl::ConsumePrefix(&host, "[")) {
    host = host.substr(0, host.find(']'));
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.1, but not 127.example.com.
  const bool digits = std::all_of(host.begin(), host.end(),
                                  [](char c) { return c == '.' || absl::ascii_isdigit(c); });
  return digits && absl::StartsWith(host, "127.");
}

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const ClientOptions& options) {
  if (!options.tls.has_value()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = options.tls->root_certificates;
  tls.pem_cert_chain = options.tls->certificate;
  tls.pem_private_key = options.tls->private_key;
  return grpc::SslCredentials(tls);
}

absl::Status CheckApiKey(const ClientOptions& options) {
  const std::string& key = options.api_key;
  if (key.empty()) return absl::OkStatus();
  // gRPC ends the process over metadata that HTTP/2 cannot carry.
  if (key.size() > kMaxKeyBytes || !std::all_of(key.begin(), key.end(), absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(
        "the API key must be one line of printable ASCII, as `mgral-server key` made it");
  }
  if (options.tls.has_value() || options.api_key_over_plain_text || IsLoopback(options.target)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("the API key would go to ", options.target,
                                                    " over plain text, where others can read it"));
}

void AddApiKey(const ClientOptions& options, grpc::ClientContext* context) {
  if (options.api_key.empty() || !CheckApiKey(options).ok()) return;
  context->AddMetadata("authorization", absl::StrCat("Bearer ", options.api_key));
}

}  // namespace mgral::client
