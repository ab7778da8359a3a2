#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/lib/client.h"
#include "grpcpp/grpcpp.h"

// Transport credentials and the API key.
namespace mgral::client {

// TLS, or plain text.
std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const ClientOptions& options);

// Why the API key is not sent: it is not printable ASCII, or it would go over plain text to another
// machine (FAILED_PRECONDITION). OK also without a key.
absl::Status CheckApiKey(const ClientOptions& options);

// Whether what is sent to that gRPC target stays on this machine.
bool IsLoopback(const std::string& target);

// Adds the API key to a call that has not started, if it may be sent.
void AddApiKey(const ClientOptions& options, grpc::ClientContext* context);

}  // namespace mgral::client
