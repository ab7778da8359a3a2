#include "server/base/for_each.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/barrier.h"

namespace mgral::base {
namespace {

TEST(ForEachTest, DoesEachItemOnce) {
  std::vector<std::atomic<int>> times(1000);
  const auto count = [&](size_t i) {
    ++times[i];
    return absl::OkStatus();
  };
  EXPECT_TRUE(ForEach(times.size(), 3, count).ok());
  for (const auto& one : times) EXPECT_EQ(one, 1);
  EXPECT_TRUE(ForEach(0, 3, [](size_t) { return absl::InternalError("called"); }).ok());
}

TEST(ForEachTest, WorksSideBySideOnThatManyThreads) {
  absl::Barrier all(3);
  const auto meet = [&](size_t) {
    all.Block();  // forever unless three threads come
    return absl::OkStatus();
  };
  EXPECT_TRUE(ForEach(3, 3, meet).ok());
}

TEST(ForEachTest, AnErrorEndsIt) {
  size_t calls = 0;
  const absl::Status status = ForEach(1000, 1, [&](size_t i) {
    ++calls;
    return i == 10 ? absl::UnavailableError("away") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(calls, 11u);
}

}  // namespace
}  // namespace mgral::base
