#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/stoppable_thread.h"
#include "server/main/options.h"
#include "server/rpc/authentication.h"
#include "server/rpc/server_certificates.h"

namespace mgral::server {

// TLS and API keys as the options say, and the thread that takes their files again, at most a
// second after they change, and logs that. Files that cannot be used are logged and change nothing.
class Security {
 public:
  // Warns of a server that anybody on the network can use. Errors: INVALID_ARGUMENT naming the
  // option, the file and the reason.
  static absl::StatusOr<std::unique_ptr<Security>> Open(const Options& options);

  const rpc::Authentication* authentication() const { return authentication_.get(); }
  // What the port is opened with. This object must outlive the server.
  std::shared_ptr<grpc::ServerCredentials> NewCredentials();

 private:
  Security() = default;
  void Reload();

  std::string api_keys_, tls_cert_;  // file names
  std::unique_ptr<rpc::Authentication> authentication_;
  std::unique_ptr<rpc::ServerCertificates> certificates_;  // null without TLS
  base::StoppableThread reloader_;                         // not started when there is no file
};

// Whether only programs of this machine can reach `address`, as gRPC reads it.
bool IsLoopback(const std::string& address);

}  // namespace mgral::server
