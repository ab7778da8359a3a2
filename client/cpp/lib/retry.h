#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace mgral::client {

// Whether and after what delay a failed call is retried. Only calls that are safe to repeat are:
// reads, calls with a request_id, and idempotent calls.
struct RetryPolicy {
  int max_attempts = 5;  // the first one included; 1 never retries
  absl::Duration initial_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(10);
  // Replaces sleeping in tests. Null: the thread sleeps.
  std::function<void(absl::Duration)> sleep;

  // UNAVAILABLE, and RESOURCE_EXHAUSTED with a RetryInfo: without one, a message exceeds a limit
  // and will exceed it again.
  bool IsRetryable(const absl::Status& status) const;

  // Before attempt `attempt` + 1: the server's own RetryInfo, or else an exponential backoff with
  // jitter in [0.5, 1). Never more than max_backoff unless the server asks for more.
  absl::Duration Delay(const absl::Status& status, int attempt) const;

  void Wait(absl::Duration delay) const;
};

// 32 random hexadecimal digits, a fresh value for `request_id`.
std::string NewRequestId();

}  // namespace mgral::client
