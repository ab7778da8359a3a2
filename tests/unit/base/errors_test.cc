#include "server/base/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mgral::base {
namespace {

using ::testing::HasSubstr;

std::string Fields(const absl::Status& status) {
  std::string text;
  for (const FieldViolation& violation : FieldViolations(status)) {
    text += violation.field + "=" + violation.description + ";";
  }
  return text;
}

TEST(ErrorsTest, ViolationsTravelWithTheStatus) {
  const absl::Status status = InvalidFields({{"a[0].b", "is empty"}, {"c", "is 5"}});
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(Reason(status), "INVALID_FIELD");
  EXPECT_EQ(Fields(status), "a[0].b=is empty;c=is 5;");
  EXPECT_THAT(std::string(status.message()), HasSubstr("a[0].b: is empty"));
}

TEST(ErrorsTest, AnErrorOfSomebodyElseHasNoDetails) {
  const absl::Status status = absl::InternalError("disk on fire");
  EXPECT_TRUE(FieldViolations(status).empty());
  EXPECT_EQ(Reason(status), "");
  EXPECT_EQ(ResourceName(status), "");
  EXPECT_EQ(RetryAfter(status), absl::ZeroDuration());
  EXPECT_EQ(PrefixFields(status, "images[0]."), status);
}

TEST(ErrorsTest, PrefixGoesBeforeEveryFieldAndIntoTheMessage) {
  const absl::Status status =
      PrefixFields(InvalidFields({{"x", "is NaN"}, {"y", "is NaN"}}), "boxes[3].");
  EXPECT_EQ(Fields(status), "boxes[3].x=is NaN;boxes[3].y=is NaN;");
  EXPECT_THAT(std::string(status.message()), HasSubstr("boxes[3].y: is NaN"));
  EXPECT_EQ(Reason(status), "INVALID_FIELD");
}

TEST(ErrorsTest, ResourcesAndRetries) {
  EXPECT_EQ(ResourceType(NotFound("pool", "pools/a")), "pool");
  EXPECT_EQ(ResourceName(NotFound("pool", "pools/a")), "pools/a");
  EXPECT_EQ(ResourceName(AlreadyExists("cycle", "pools/a/cycles/1", "wait")), "pools/a/cycles/1");
  EXPECT_EQ(RetryAfter(Overloaded("full", absl::Milliseconds(1500))), absl::Milliseconds(1500));
  EXPECT_EQ(RetryAfter(Unavailable("away", absl::Seconds(2))), absl::Seconds(2));
}

TEST(ErrorsTest, PreconditionsNameTheirReasonAndMaybeAField) {
  const absl::Status status = FailedPrecondition("POOL_EXHAUSTED", "3 are left", "size");
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(Reason(status), "POOL_EXHAUSTED");
  EXPECT_EQ(Fields(status), "size=3 are left;");
  EXPECT_TRUE(FieldViolations(FailedPrecondition("NO_TABLE", "none")).empty());
}

TEST(ErrorsTest, ALostLeaseIsToldFromOtherAborts) {
  EXPECT_TRUE(IsLeaseLost(LeaseLost("another worker has it")));
  EXPECT_FALSE(IsLeaseLost(absl::AbortedError("conflict")));
}

}  // namespace
}  // namespace mgral::base
