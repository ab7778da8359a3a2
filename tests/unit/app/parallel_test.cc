#include "server/app/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace mgral::app {
namespace {

TEST(ParallelTest, DoesEachItemOnce) {
  Parallel parallel(3);
  std::vector<std::atomic<int>> times(1000);
  parallel.ForEach(times.size(), [&](size_t i) { ++times[i]; });
  for (const auto& count : times) EXPECT_EQ(count, 1);
  parallel.ForEach(0, [](size_t) { FAIL(); });
}

TEST(ParallelTest, AllCallersTogetherStayBelowTheLimit) {
  Parallel parallel(2);
  std::atomic<int> running{0}, most{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c) {
    callers.emplace_back([&] {
      parallel.ForEach(50, [&](size_t) {
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --running;
      });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace mgral::app
