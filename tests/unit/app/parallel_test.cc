#include "server/app/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "server/base/errors.h"

namespace mgral::app {
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

TEST(InspectEachTest, OnlyErrorsThatAreNoImagesOwnEndIt) {
  const ImagesToInspect images{{0, 1, 2}, {3, 4}};
  std::atomic<int> looks{0};
  const auto broken = [&](size_t) {
    ++looks;
    return base::InvalidField("source.path", "is truncated");
  };
  EXPECT_TRUE(InspectEach({}, images, 2, broken).ok());
  EXPECT_EQ(looks, 5);
  looks = 0;
  const auto away = [&](size_t) {
    ++looks;
    return absl::UnavailableError("away");
  };
  EXPECT_TRUE(absl::IsUnavailable(InspectEach({}, images, 1, away)));
  EXPECT_EQ(looks, 1);
}

TEST(InspectEachTest, NothingIsLookedAtAfterTheCallsEnd) {
  std::atomic<int> looks{0};
  domain::CallContext call;
  call.canceled = [&] { return looks >= 2; };
  const ImagesToInspect images{{0, 1, 2, 3, 4, 5}, {6, 7}};
  const auto look = [&](size_t) {
    ++looks;
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsCancelled(InspectEach(call, images, 1, look)));
  EXPECT_EQ(looks, 2);
  domain::CallContext late;
  late.deadline = absl::InfinitePast();
  EXPECT_TRUE(absl::IsDeadlineExceeded(InspectEach(late, images, 1, look)));
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace mgral::app
