#include "server/domain/queue_choice.h"

#include <gtest/gtest.h>

#include "server/base/errors.h"

namespace mgral::domain {
namespace {

const PublishedQueues kNothingPublished;
const PublishedQueues kPublished = {true, {"mgral", "random"}, ""};
const PublishedQueues kColdStart = {true, {"cold_start"}, "cold_start"};

TEST(ChooseQueueTest, TakesTheRequestedQueueElseThatOfTheColdStart) {
  EXPECT_EQ(ChooseQueue(kPublished, "mgral"), "mgral");
  EXPECT_EQ(ChooseQueue(kPublished, "random"), "random");
  EXPECT_EQ(ChooseQueue(kPublished, "core_set"), "");
  EXPECT_EQ(ChooseQueue(kColdStart, "mgral"), "cold_start");
  EXPECT_EQ(ChooseQueue(kColdStart, "random"), "");
  EXPECT_EQ(ChooseQueue(kNothingPublished, "mgral"), "");
}

TEST(DescribeOriginTest, TheRequestedStrategyNeedsNoNote) {
  const BatchOrigin origin = DescribeOrigin(kPublished, "mgral", "mgral", 5, 5);
  EXPECT_EQ(origin.strategy, "mgral");
  EXPECT_EQ(origin.note, "");
  const BatchOrigin random = DescribeOrigin(kPublished, "random", "", 0, 5);
  EXPECT_EQ(random.strategy, "random");
  EXPECT_EQ(random.note, "");
}

TEST(DescribeOriginTest, SaysWhyAnotherStrategyAnswered) {
  const BatchOrigin none = DescribeOrigin(kNothingPublished, "mgral", "", 0, 5);
  EXPECT_EQ(none.strategy, "random");
  EXPECT_EQ(none.note, "no cycle has published yet");
  const BatchOrigin cold = DescribeOrigin(kColdStart, "mgral", "cold_start", 5, 5);
  EXPECT_EQ(cold.strategy, "cold_start");
  EXPECT_EQ(cold.note, "too few labels to train on (cold_start)");
  const BatchOrigin missing = DescribeOrigin(kPublished, "core_set", "", 0, 5);
  EXPECT_EQ(missing.strategy, "random");
  EXPECT_EQ(missing.note, "the published snapshot has no queue of core_set");
}

TEST(DescribeOriginTest, CountsTheRandomImagesOfAMixedBatch) {
  const BatchOrigin mixed = DescribeOrigin(kPublished, "mgral", "mgral", 3, 5);
  EXPECT_EQ(mixed.strategy, "mgral");
  EXPECT_EQ(mixed.note, "2 of 5 images are random: the queue has no more until the next cycle");
  EXPECT_EQ(DescribeOrigin(kPublished, "mgral", "mgral", 0, 2).strategy, "random");
}

TEST(EstimateCostTest, AnImageThatTheSnapshotDoesNotKnowCountsAsTheMeanOfTheOthers) {
  const LabelingCost boxes = SelectionSettings().cost();
  EXPECT_FALSE(boxes.in_seconds);
  EXPECT_EQ(EstimateCost(boxes, {3.0f, 0.5f}), 2 * 2 + 3.5);
  EXPECT_EQ(EstimateCost(boxes, {3.0f, std::nullopt, 1.0f}), 3 * 2 + 3 * 2);
  EXPECT_EQ(EstimateCost(boxes, {std::nullopt}), std::nullopt);
  EXPECT_EQ(EstimateCost(boxes, {}), std::nullopt);
}

TEST(EstimateCostTest, ThePoolsSecondsReplaceTheDefaultTogether) {
  SelectionSettings settings;
  settings.seconds_per_box = 7;
  EXPECT_TRUE(settings.cost().in_seconds);
  EXPECT_EQ(EstimateCost(settings.cost(), {2.0f, 1.0f}), 21);
  settings.seconds_per_image = 5;
  EXPECT_EQ(EstimateCost(settings.cost(), {2.0f, 1.0f}), 31);
  settings.seconds_per_box = 0;
  EXPECT_EQ(EstimateCost(settings.cost(), {2.0f, 1.0f}), 10);
}

TEST(QueueErrorsTest, NameTheReasonAndTheField) {
  const absl::Status none = PoolExhausted(5, 0);
  EXPECT_EQ(base::Reason(none), "POOL_EXHAUSTED");
  EXPECT_EQ(base::FieldViolations(none)[0].field, "size");
  EXPECT_NE(PoolExhausted(5, 2).message().find("only 2"), absl::string_view::npos);
  for (const auto state : {BatchState::kCompleted, BatchState::kReleased, BatchState::kExpired}) {
    EXPECT_EQ(base::Reason(LeaseOver(state)), "LEASE_OVER");
  }
  EXPECT_NE(LeaseOver(BatchState::kReleased).message(), LeaseOver(BatchState::kExpired).message());
}

}  // namespace
}  // namespace mgral::domain
