#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/stoppable_thread.h"

namespace mgral::storage {

// Hears of new jobs and changed cycles (NOTIFY) on a connection and a thread of its own, and
// reconnects when it is lost. A hint only: waiters poll behind it. Thread-safe.
class ChangeListener {
 public:
  enum class Topic { kJob = 0, kCycle = 1 };

  explicit ChangeListener(std::string conninfo);
  ChangeListener(const ChangeListener&) = delete;
  ChangeListener& operator=(const ChangeListener&) = delete;

  // Grows with everything that was heard.
  uint64_t Generation(Topic topic) const;
  // Until the generation is no longer `seen`, at most `timeout`. True when it changed.
  bool Wait(Topic topic, uint64_t seen, absl::Duration timeout);

 private:
  class Receiver;
  // Until the connection is lost or the listener stops.
  void Listen(const base::StopSignal& stop);
  void Heard(Topic topic);

  const std::string conninfo_;
  mutable absl::Mutex mutex_;
  uint64_t generations_[2] ABSL_GUARDED_BY(mutex_) = {0, 0};
  base::StoppableThread thread_;
};

}  // namespace mgral::storage
