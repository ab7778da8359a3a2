#include "client/cpp/lib/retry.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cpp/lib/errors.h"

namespace mgral::client {

bool RetryPolicy::IsRetryable(const absl::Status& status) const {
  return absl::IsUnavailable(status) ||
         (absl::IsResourceExhausted(status) && RetryDelay(status).has_value());
}

absl::Duration RetryPolicy::Delay(const absl::Status& status, int attempt) const {
  if (const auto hint = RetryDelay(status)) return *hint;
  const double doublings = std::min(attempt - 1, 30);
  const absl::Duration backoff =
      std::min(max_backoff, initial_backoff * std::pow(2.0, std::max(0.0, doublings)));
  absl::BitGen random;
  return backoff * absl::Uniform(random, 0.5, 1.0);
}

void RetryPolicy::Wait(absl::Duration delay) const {
  if (sleep) {
    sleep(delay);
  } else {
    absl::SleepFor(delay);
  }
}

std::string NewRequestId() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace mgral::client
