#include "server/base/for_each.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace mgral::base {

absl::Status ForEach(size_t count, int threads, const std::function<absl::Status(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  absl::Status failure;
  const auto loop = [&] {
    for (size_t i = next++; i < count; i = next++) {
      const absl::Status status = work(i);
      if (status.ok()) continue;
      next = count;
      std::lock_guard<std::mutex> lock(mutex);
      if (failure.ok()) failure = status;
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min<size_t>(std::max(1, threads), count); ++i) {
    try {
      helpers.emplace_back(loop);
    } catch (const std::system_error&) {
      break;  // no more threads: it takes longer
    }
  }
  loop();
  for (std::thread& helper : helpers) helper.join();
  return failure;
}

}  // namespace mgral::base
