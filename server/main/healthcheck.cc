#include "server/main/healthcheck.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/files.h"

namespace mgral::server {
namespace {

constexpr char kMethod[] = "/grpc.health.v1.Health/Check";
constexpr std::chrono::seconds kTimeout(5);
// HealthCheckResponse{status: SERVING} as it goes over the wire; Debian ships no stub of it.
constexpr char kServing[] = "\x08\x01";

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const HealthcheckTls& tls) {
  if (!tls.on) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  if (!tls.certificate_file.empty()) {
    const auto certificate = base::ReadSmallFile(tls.certificate_file);
    if (!certificate.ok()) return certificate.status();
    const auto key = base::ReadSmallFile(tls.key_file);
    if (!key.ok()) return key.status();
    const std::vector<grpc::experimental::IdentityKeyCertPair> identity = {{*key, *certificate}};
    options.set_certificate_provider(
        std::make_shared<grpc::experimental::StaticDataCertificateProvider>(identity));
    options.watch_identity_key_cert_pairs();
  }
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

absl::Status CheckHealth(const std::string& target, const HealthcheckTls& tls) {
  const auto credentials = Credentials(tls);
  if (!credentials.ok()) return credentials.status();
  const auto channel = grpc::CreateChannel(target, *credentials);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  const grpc::Slice nothing;  // HealthCheckRequest{}: the server as a whole
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  const grpc::internal::RpcMethod method(kMethod, grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::Status status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
      channel.get(), method, &context, request, &response);
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(target, ": ", status.error_message()));
  }
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (response.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  if (bytes != kServing) return absl::UnavailableError(absl::StrCat(target, " is NOT_SERVING"));
  return absl::OkStatus();
}

}  // namespace mgral::server
