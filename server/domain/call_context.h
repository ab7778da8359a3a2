#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mgral::domain {

// For how long somebody waits for what is done. Copies are of the same call.
struct CallContext {
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> canceled;  // thread-safe; empty: never

  // OK, CANCELLED or DEADLINE_EXCEEDED; to be asked before and during what takes long.
  absl::Status Check() const {
    if (canceled && canceled()) return absl::CancelledError("the call was canceled");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError("the deadline was over before the call was answered");
    }
    return absl::OkStatus();
  }
};

}  // namespace mgral::domain
