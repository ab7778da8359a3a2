#include "server/domain/job_queue.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mgral::domain {
namespace {

TEST(CountRetryTest, CountsByReason) {
  RetryCounts counts = CountRetry({}, RetryReason::kError, 0);
  counts = CountRetry(counts, RetryReason::kImages, 0);
  counts = CountRetry(counts, RetryReason::kError, 0);
  EXPECT_EQ(counts.Of(RetryReason::kError), 2);
  EXPECT_EQ(counts.Of(RetryReason::kImages), 1);
}

TEST(CountRetryTest, AJobThatGotFurtherIsCountedAfresh) {
  const RetryCounts counts = CountRetry({9, 5, 0.3}, RetryReason::kError, 0.4);
  EXPECT_EQ(counts.errors, 1);
  EXPECT_EQ(counts.images, 0);
  EXPECT_EQ(counts.from, 0.4);
}

// Every attempt starts at 0: what it does again is no progress.
TEST(CountRetryTest, AnAttemptThatGetsNoFurtherThanAnEarlierOneCountsOn) {
  RetryCounts counts = CountRetry({}, RetryReason::kError, 0.5);
  for (const double fraction : {0.0, 0.2, 0.5, 0.54}) {
    counts = CountRetry(counts, RetryReason::kError, fraction);
  }
  EXPECT_EQ(counts.errors, 5);
  EXPECT_EQ(counts.from, 0.5);
}

TEST(CountRetryTest, NoJobIsTriedForEver) {
  RetryCounts counts;
  int tries = 0;
  for (; counts.errors < 10; ++tries) {
    counts = CountRetry(counts, RetryReason::kError, std::min(1.0, 0.001 * tries));
  }
  EXPECT_LT(tries, 1000);
}

}  // namespace
}  // namespace mgral::domain
