#include "server/app/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "server/app/item_errors.h"

namespace mgral::app {
namespace {

constexpr int kFetchesPerCall = 8;

}  // namespace

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

absl::Status InspectEach(const domain::CallContext& call, const ImagesToInspect& images,
                         int threads, const std::function<absl::Status(size_t)>& inspect) {
  const auto each = [&](const std::vector<size_t>& positions, int at_once) {
    return ForEach(positions.size(), at_once, [&](size_t i) {
      absl::Status status = call.Check();
      if (status.ok()) status = inspect(positions[i]);
      return IsItemError(status) ? absl::OkStatus() : status;
    });
  };
  const absl::Status status = each(images.local, threads);
  return status.ok() ? each(images.fetched, kFetchesPerCall) : status;
}

}  // namespace mgral::app
