#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mgral::rpc {

struct GrpcServerOptions {
  std::string listen;  // "127.0.0.1:50051"; port 0: the kernel chooses
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  int max_threads = 160;
  size_t max_memory_bytes = size_t{2} << 30;  // of messages in flight
};

struct NamedService {
  std::string name;  // "mgral.v1.PoolService": what health is asked for
  grpc::Service* service = nullptr;
};

// A gRPC server on one port, with health (grpc.health.v1) and reflection besides the services
// given.
class GrpcServer {
 public:
  // Serves at once; health says NOT_SERVING until SetServing(true). The services must outlive the
  // server. Errors: INVALID_ARGUMENT when the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const GrpcServerOptions& options, const std::vector<NamedService>& services);
  ~GrpcServer();

  int port() const { return port_; }
  // What health says, of the server ("") and of every service.
  void SetServing(bool serving);
  // Health says NOT_SERVING from now on, new calls are refused, those in flight may finish;
  // what takes longer than `timeout` is canceled. Returns when all is over.
  void Drain(absl::Duration timeout);

 private:
  GrpcServer() = default;

  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> names_;  // of the services, and ""
  int port_ = 0;
};

}  // namespace mgral::rpc
