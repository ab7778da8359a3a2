#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mgral::storage {

// Hears of new jobs and changed cycles (NOTIFY) on a connection and a thread of its own, and
// reconnects when it is lost. A hint only: waiters poll behind it. Thread-safe.
class ChangeListener {
 public:
  enum class Topic { kJob = 0, kCycle = 1 };

  explicit ChangeListener(std::string conninfo);
  ~ChangeListener();
  ChangeListener(const ChangeListener&) = delete;
  ChangeListener& operator=(const ChangeListener&) = delete;

  // Grows with everything that was heard.
  uint64_t Generation(Topic topic) const;
  // Until the generation is no longer `seen`, at most `timeout`. True when it changed.
  bool Wait(Topic topic, uint64_t seen, absl::Duration timeout);

 private:
  class Receiver;
  void Run();
  void Listen();  // until the connection is lost or the listener stops
  void Heard(Topic topic);
  bool WaitToStop(int connection_fd, absl::Duration timeout) const;

  const std::string conninfo_;
  const int stop_fd_;  // readable once it shall stop
  mutable absl::Mutex mutex_;
  uint64_t generations_[2] ABSL_GUARDED_BY(mutex_) = {0, 0};
  std::thread thread_;
};

}  // namespace mgral::storage
