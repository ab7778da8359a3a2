#include "server/main/healthcheck.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/files.h"
#include "server/base/status_macros.h"

namespace mgral::server {
namespace {

constexpr std::chrono::seconds kTimeout(5);

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const HealthcheckTls& tls) {
  if (!tls.on) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  if (!tls.certificate_file.empty()) {
    MGRAL_ASSIGN_OR_RETURN(const auto certificate, base::ReadSmallFile(tls.certificate_file));
    MGRAL_ASSIGN_OR_RETURN(const auto key, base::ReadSmallFile(tls.key_file));
    const std::vector<grpc::experimental::IdentityKeyCertPair> identity = {{key, certificate}};
    options.set_certificate_provider(
        std::make_shared<grpc::experimental::StaticDataCertificateProvider>(identity));
    options.watch_identity_key_cert_pairs();
  }
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

absl::Status CheckHealth(const std::string& target, const HealthcheckTls& tls) {
  MGRAL_ASSIGN_OR_RETURN(const auto credentials, Credentials(tls));
  const auto channel = grpc::CreateChannel(target, credentials);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  const grpc::health::v1::HealthCheckRequest request;  // the server as a whole
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(target, ": ", status.error_message()));
  }
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return absl::UnavailableError(absl::StrCat(target, " is NOT_SERVING"));
  }
  return absl::OkStatus();
}

}  // namespace mgral::server
