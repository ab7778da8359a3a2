#include "server/app/parallel.h"

#include <gtest/gtest.h>

#include <atomic>

#include "server/base/errors.h"

namespace mgral::app {
namespace {

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
