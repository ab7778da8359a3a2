#include "server/app/parallel.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace mgral::app {

void Parallel::Acquire() {
  std::unique_lock<std::mutex> lock(mutex_);
  freed_.wait(lock, [this] { return free_ > 0; });
  --free_;
}

void Parallel::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  ++free_;
  freed_.notify_one();
}

void Parallel::ForEach(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto loop = [&] {
    for (size_t i = next++; i < count; i = next++) {
      Acquire();
      work(i);
      Release();
    }
  };
  // The caller's own thread works too.
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min<size_t>(threads_, count); ++i) {
    try {
      helpers.emplace_back(loop);
    } catch (const std::system_error&) {
      break;  // no more threads: it takes longer
    }
  }
  loop();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace mgral::app
