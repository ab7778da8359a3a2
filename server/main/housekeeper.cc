#include "server/main/housekeeper.h"

#include <utility>

namespace mgral::server {

Housekeeper::Housekeeper(absl::Duration interval, std::function<void()> task)
    : task_(std::move(task)), thread_([this, interval] { Loop(interval); }) {}

Housekeeper::~Housekeeper() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Housekeeper::Loop(absl::Duration interval) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    task_();
    lock.lock();
    wake_.wait_for(lock, absl::ToChronoMilliseconds(interval), [this] { return stopping_; });
  }
}

}  // namespace mgral::server
