#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/lib/client.h"
#include "grpcpp/grpcpp.h"

// How a Client makes itself known.
namespace mgral::client {

// TLS, or plain text.
std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const ClientOptions& options);

// Why the API key is not sent: it is no printable ASCII, or it would go over plain text to another
// machine (FAILED_PRECONDITION). OK also without a key.
absl::Status CheckApiKey(const ClientOptions& options);

// Whether only this machine sees what is sent to that target of gRPC.
bool IsLoopback(const std::string& target);

// Puts the API key into a call that is not yet begun, if it may be sent.
void AddApiKey(const ClientOptions& options, grpc::ClientContext* context);

}  // namespace mgral::client
