#pragma once

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/files.h"

namespace mgral::rpc {

// PEM files: the server's certificate with those that it was signed by, its key, and the authority
// that clients' certificates must be signed by (empty: clients need none).
struct CertificateFiles {
  std::string certificate, key, client_ca;
};

// The certificates of a server with TLS, reloaded when their files change: connections made from
// then on use the new ones, and files that cannot be used change nothing. Thread-safe.
class ServerCertificates {
 public:
  // Errors: INVALID_ARGUMENT with the option, the path and the reason: unreadable, no PEM, a key
  // with a passphrase or of another certificate.
  static absl::StatusOr<std::unique_ptr<ServerCertificates>> Open(const CertificateFiles& files);

  // What a port is opened with. This object must outlive the server.
  std::shared_ptr<grpc::ServerCredentials> NewCredentials();

  // Reloads the files if they have changed; true if so. Errors: as Open's, once for every change.
  absl::StatusOr<bool> Reload();
  // When the server's certificate ends.
  absl::Time not_after() const;

 private:
  explicit ServerCertificates(const CertificateFiles& files);
  // gRPC asks this before each handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config);

  const CertificateFiles files_;
  std::mutex reloading_;  // guards watch_
  base::FileWatch watch_;
  mutable std::mutex mutex_;  // guards all below
  std::string certificate_, key_, client_ca_;
  absl::Time not_after_;
  bool fetched_ = false;  // gRPC has the current ones
};

}  // namespace mgral::rpc
