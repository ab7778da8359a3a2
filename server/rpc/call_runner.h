#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/domain/call_context.h"
#include "server/rpc/authentication.h"

namespace mgral::rpc {

// What is known of a call when it has ended; for the log and the metrics.
struct CallRecord {
  std::string method;      // "PoolService/CreatePool"
  std::string request_id;  // the caller's "x-request-id", else made up; sent back as a trailer
  std::string peer;
  std::string key_name;  // of the API key; empty where none was asked for or none was good
  std::string code;      // "OK", "INVALID_ARGUMENT", ...
  std::string error;
  double seconds = 0;
  bool stream = false;
  bool refused = false;  // too many of its kind were in flight
};

struct CallLimits {
  int max_in_flight = 64;  // unary calls
  int max_streams = 64;    // streams: they last long, so they have places of their own
};

// What every call goes through: authentication, admission, the deadline, exceptions, the status
// map, the record. Thread-safe.
class CallRunner {
 public:
  enum class Kind { kUnary, kStream };

  // `authentication` must outlive it.
  CallRunner(const CallLimits& limits, const Authentication* authentication,
             std::function<void(const CallRecord&)> on_call)
      : limits_(limits), authentication_(authentication), on_call_(std::move(on_call)) {}

  using Handler = std::function<absl::Status(const Caller&)>;
  // Errors besides the handler's: UNAUTHENTICATED; RESOURCE_EXHAUSTED with a retry hint when there
  // are too many calls; DEADLINE_EXCEEDED when it is over before it has begun; UNAVAILABLE for
  // streams while draining.
  grpc::Status Run(grpc::ServerContext* context, const std::string& method, const Handler& handler,
                   Kind kind = Kind::kUnary);

  // For streams, at each of their messages: Authentication::StillValid.
  absl::Status StillValid(const Caller& caller) const {
    return authentication_->StillValid(caller);
  }

  // Streams end at their next message, with UNAVAILABLE; the caller goes on elsewhere.
  void StartDraining() { draining_ = true; }
  bool draining() const { return draining_; }
  int unary_in_flight() const { return unary_; }
  int streams_in_flight() const { return streams_; }

 private:
  absl::Status Admitted(grpc::ServerContext* context, Kind kind,
                        const std::function<absl::Status()>& handler, CallRecord* record);
  absl::Status Authenticated(grpc::ServerContext* context, Kind kind, const Handler& handler,
                             CallRecord* record);

  const CallLimits limits_;
  const Authentication* authentication_;
  const std::function<void(const CallRecord&)> on_call_;
  std::atomic<int> unary_{0};
  std::atomic<int> streams_{0};
  std::atomic<bool> draining_{false};
};

// For how long the client waits for the answer. Not to be used after the call.
domain::CallContext ToCallContext(grpc::ServerContext* context);

// UNAVAILABLE: what a stream ends with while draining.
absl::Status DrainingError();

}  // namespace mgral::rpc
