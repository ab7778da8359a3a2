#pragma once

#include <c10/core/Device.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>

#include "server/base/stoppable_thread.h"
#include "server/runtime/status_from_exception.h"

namespace mgral::runtime {

// One thread that does the device's work in the order in which it comes. A single caller of torch
// with all its threads is faster than several that share them. Thread-safe.
class DeviceExecutor {
 public:
  // `threads`: torch's intra-op threads of this thread. `device`: where its work is to compute.
  explicit DeviceExecutor(int threads, c10::Device device = c10::kCPU);
  ~DeviceExecutor() = default;  // finishes what was posted

  c10::Device device() const { return device_; }

  // f() on the device thread; waits for it. f returns a Status or StatusOr and may throw.
  template <typename F>
  auto Run(F f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task([&f] { return Guarded(f); });
    auto result = task.get_future();
    Post([&task] { task(); });
    return result.get();
  }

 private:
  void Post(std::function<void()> work);
  void Loop(const base::StopSignal& stop);

  const c10::Device device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  base::StoppableThread thread_;
};

}  // namespace mgral::runtime
