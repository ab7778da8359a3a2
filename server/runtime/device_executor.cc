#include "server/runtime/device_executor.h"

#include "server/core/detector/workers.h"

namespace mgral::runtime {

DeviceExecutor::DeviceExecutor(int threads, c10::Device device)
    : device_(device), thread_([this, threads] { Loop(threads); }) {}

DeviceExecutor::~DeviceExecutor() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void DeviceExecutor::Post(std::function<void()> work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void DeviceExecutor::Loop(int threads) {
  core::SetTorchThreads(threads);
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace mgral::runtime
