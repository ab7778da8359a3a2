#include "server/main/housekeeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

namespace mgral::server {
namespace {

TEST(HousekeeperTest, WorksAgainAndAgainUntilItGoes) {
  std::mutex mutex;
  std::condition_variable changed;
  int rounds = 0;
  {
    Housekeeper housekeeper(absl::Milliseconds(1), [&] {
      std::lock_guard<std::mutex> lock(mutex);
      ++rounds;
      changed.notify_all();
    });
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return rounds >= 3; });
  }
  const int when_gone = rounds;
  EXPECT_GE(when_gone, 3);
}

TEST(HousekeeperTest, GoesAtOnceInTheMiddleOfAPause) {
  std::atomic<int> rounds{0};
  {
    Housekeeper housekeeper(absl::Hours(24), [&] { ++rounds; });
  }
  EXPECT_LE(rounds, 1);
}

}  // namespace
}  // namespace mgral::server
