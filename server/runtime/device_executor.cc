#include "server/runtime/device_executor.h"

#include "server/core/detector/workers.h"

namespace mgral::runtime {

DeviceExecutor::DeviceExecutor(int threads, c10::Device device) : device_(device) {
  const auto body = [this, threads](const base::StopSignal& stop) {
    core::SetTorchThreads(threads);
    Loop(stop);
  };
  thread_.Start(body, [this] {
    std::lock_guard<std::mutex> lock(
        mutex_);  // not between the loop's look at the signal and its wait
    wake_.notify_all();
  });
}

void DeviceExecutor::Post(std::function<void()> work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void DeviceExecutor::Loop(const base::StopSignal& stop) {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop.requested() || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace mgral::runtime
