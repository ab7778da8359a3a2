#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace mgral::rpc {

// What is known of a call when it has ended; for the log and the metrics.
struct CallRecord {
  std::string method;      // "PoolService/CreatePool"
  std::string request_id;  // the caller's "x-request-id", else made up; sent back as a trailer
  std::string peer;
  std::string code;  // "OK", "INVALID_ARGUMENT", ...
  std::string error;
  double seconds = 0;
  bool stream = false;
  bool refused = false;  // too many of its kind were in flight
};

struct CallLimits {
  int max_in_flight = 64;  // unary calls
  int max_streams = 64;    // streams: they last long, so they have places of their own
};

// What every call goes through: admission, the deadline, exceptions, the status map, the record.
// Thread-safe.
class CallRunner {
 public:
  enum class Kind { kUnary, kStream };

  CallRunner(const CallLimits& limits, std::function<void(const CallRecord&)> on_call)
      : limits_(limits), on_call_(std::move(on_call)) {}

  // Errors besides the handler's: RESOURCE_EXHAUSTED with a retry hint when there are too many
  // calls; DEADLINE_EXCEEDED when it is over before it has begun; UNAVAILABLE for streams while
  // draining.
  grpc::Status Run(grpc::ServerContext* context, const std::string& method,
                   const std::function<absl::Status()>& handler, Kind kind = Kind::kUnary);

  // Streams end at their next message, with UNAVAILABLE; the caller goes on elsewhere.
  void StartDraining() { draining_ = true; }
  bool draining() const { return draining_; }
  int unary_in_flight() const { return unary_; }
  int streams_in_flight() const { return streams_; }

 private:
  absl::Status Admitted(grpc::ServerContext* context, Kind kind,
                        const std::function<absl::Status()>& handler, CallRecord* record);

  const CallLimits limits_;
  const std::function<void(const CallRecord&)> on_call_;
  std::atomic<int> unary_{0};
  std::atomic<int> streams_{0};
  std::atomic<bool> draining_{false};
};

// UNAVAILABLE: what a stream ends with while draining.
absl::Status DrainingError();

}  // namespace mgral::rpc
