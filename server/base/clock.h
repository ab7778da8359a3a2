#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mgral::base {

// Where the time comes from. Thread-safe. Leases are measured in database time instead.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

// Does not advance until it is set. For tests.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_;
};

}  // namespace mgral::base
