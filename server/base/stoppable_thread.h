#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace mgral::base {

// How the body of a StoppableThread learns that it should return. Thread-safe.
class StopSignal {
 public:
  StopSignal();  // aborts the process when it has no file descriptor left
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const { return requested_; }
  // Sleeps for `duration`, or until a stop is requested. True if one is.
  bool WaitFor(absl::Duration duration) const { return WaitForReadable(-1, duration); }
  // The same, but also returns when `fd` has something to read (or was closed by its peer).
  bool WaitForReadable(int fd, absl::Duration duration) const;

 private:
  friend class StoppableThread;
  void Request();
  void Reset();

  std::atomic<bool> requested_{false};
  const int event_;  // an eventfd: readable once a stop is requested
};

// One background loop with one contract for all of them:
//
//   thread.Start([](const StopSignal& stop) {
//     do Work(); while (!stop.WaitFor(interval));
//   });
//   thread.Stop();
//
// Starting twice does nothing, stopping without a start does nothing, Stop wakes a body that sleeps
// in its signal at once and returns only when the body has, and the destructor stops. After Stop it
// can be started again. Thread-safe, but the body must not call Start or Stop, nor throw.
class StoppableThread {
 public:
  using Body = std::function<void(const StopSignal& stop)>;

  StoppableThread() = default;
  ~StoppableThread() { Stop(); }
  StoppableThread(const StoppableThread&) = delete;
  StoppableThread& operator=(const StoppableThread&) = delete;

  // `wake`: for a body that waits for something else than its signal; called in the thread that
  // requests the stop, after `requested` has become true, perhaps more than once. Does nothing
  // until Stop if it was started before, even if the body has returned. Throws std::system_error
  // when the system has no thread left.
  void Start(Body body, std::function<void()> wake = {});
  // Asks the body to return, without waiting for it.
  void RequestStop();
  // Waits until the body has returned, at most `timeout`; requests nothing. True if none is
  // running.
  bool WaitFor(absl::Duration timeout);
  void Stop();

 private:
  void RequestStopLocked();

  std::mutex lifecycle_;  // held while stopping, so that a second Stop waits as well
  std::thread thread_;
  std::function<void()> wake_;
  StopSignal signal_;

  std::mutex running_mutex_;
  std::condition_variable ended_;
  bool running_ = false;
};

}  // namespace mgral::base
