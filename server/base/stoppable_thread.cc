#include "server/base/stoppable_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace mgral::base {
namespace {

int NewEvent() {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event >= 0) return event;
  perror("eventfd");
  abort();
}

}  // namespace

StopSignal::StopSignal() : event_(NewEvent()) {}

StopSignal::~StopSignal() { close(event_); }

bool StopSignal::WaitForReadable(int fd, absl::Duration duration) const {
  const auto start = std::chrono::steady_clock::now();
  absl::Duration left = std::max(duration, absl::ZeroDuration());
  while (!requested_) {
    const timespec wait = absl::ToTimespec(std::min(left, absl::Hours(1)));
    pollfd fds[] = {{event_, POLLIN, 0}, {fd, POLLIN, 0}};  // poll ignores a negative descriptor
    const int ready = ppoll(fds, 2, &wait, nullptr);
    if (ready > 0 || (ready < 0 && errno != EINTR)) break;
    left = duration - absl::FromChrono(std::chrono::steady_clock::now() - start);
    if (left <= absl::ZeroDuration()) break;
  }
  return requested_;
}

void StopSignal::Request() {
  requested_ = true;
  const uint64_t one = 1;
  // Fails only when the event is far above 0, hence readable, already.
  (void)!write(event_, &one, sizeof(one));
}

void StopSignal::Reset() {
  uint64_t count = 0;
  (void)!read(event_, &count, sizeof(count));
  requested_ = false;
}

void StoppableThread::Start(Body body, std::function<void()> wake) {
  std::lock_guard<std::mutex> lifecycle(lifecycle_);
  if (thread_.joinable()) return;
  wake_ = std::move(wake);
  std::lock_guard<std::mutex> lock(running_mutex_);
  thread_ = std::thread([this, body = std::move(body)] {
    body(signal_);
    std::lock_guard<std::mutex> done(running_mutex_);
    running_ = false;
    ended_.notify_all();
  });
  running_ = true;  // before the body can end: it needs the mutex for that
}

void StoppableThread::RequestStopLocked() {
  if (!thread_.joinable()) return;
  signal_.Request();
  if (wake_) wake_();
}

void StoppableThread::RequestStop() {
  std::lock_guard<std::mutex> lifecycle(lifecycle_);
  RequestStopLocked();
}

bool StoppableThread::WaitFor(absl::Duration timeout) {
  // The standard library adds it to the clock's time, which must not overflow.
  const auto bounded = absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24 * 365)));
  std::unique_lock<std::mutex> lock(running_mutex_);
  return ended_.wait_for(lock, bounded, [this] { return !running_; });
}

void StoppableThread::Stop() {
  std::lock_guard<std::mutex> lifecycle(lifecycle_);
  if (!thread_.joinable()) return;
  RequestStopLocked();
  thread_.join();
  signal_.Reset();
  wake_ = nullptr;
}

}  // namespace mgral::base
