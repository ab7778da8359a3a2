#include "server/domain/cycle_progress.h"

#include <gtest/gtest.h>

namespace mgral::domain {
namespace {

Cycle RunningCycle() {
  Cycle cycle;
  cycle.state = CycleState::kRunning;
  return cycle;
}

TEST(CycleProgressTest, PlanningAndProbesShareAStage) {
  Cycle cycle = RunningCycle();
  AddJobProgress({JobKind::kTrain, 1, 8}, &cycle);
  AddJobProgress({JobKind::kPlan, 1, 2}, &cycle);
  ASSERT_EQ(cycle.stages.size(), 2u);
  EXPECT_EQ(cycle.stage, CycleStage::kProbe);
  EXPECT_DOUBLE_EQ(cycle.stages[1].fraction, 0.05);
  AddJobProgress({JobKind::kProbe, 0.5, 30}, &cycle);
  ASSERT_EQ(cycle.stages.size(), 2u);
  EXPECT_DOUBLE_EQ(cycle.stages[1].fraction, 0.05 + 0.95 * 0.5);
  EXPECT_DOUBLE_EQ(cycle.stages[1].seconds, 32);
}

TEST(CycleProgressTest, MetricsGoToTheirStage) {
  Cycle cycle = RunningCycle();
  AddJobProgress({JobKind::kTrain, 1, 8}, &cycle);
  AddStageMetric(JobKind::kTrain, "loss", 0.5, &cycle);
  ASSERT_EQ(cycle.stages[0].metrics.size(), 1u);
  EXPECT_EQ(cycle.stages[0].metrics[0].first, "loss");
}

TEST(CycleProgressTest, TheEndFollowsFromTheUsualSharesOfTheStages) {
  const absl::Time start = absl::UnixEpoch();
  Cycle cycle = RunningCycle();
  AddJobProgress({JobKind::kTrain, 1, 40}, &cycle);
  EstimateEnd(start, start + absl::Seconds(40), &cycle);
  ASSERT_TRUE(cycle.eta.has_value());
  EXPECT_EQ(absl::ToInt64Seconds(*cycle.eta - start), 100);

  Cycle without_table = RunningCycle();
  without_table.without_table = true;
  AddJobProgress({JobKind::kTrain, 1, 85}, &without_table);
  EstimateEnd(start, start + absl::Seconds(85), &without_table);
  EXPECT_EQ(absl::ToInt64Seconds(*without_table.eta - start), 100);
}

TEST(CycleProgressTest, NoEndIsEstimatedTooEarlyOrAfterwards) {
  const absl::Time start = absl::UnixEpoch();
  Cycle cycle = RunningCycle();
  AddJobProgress({JobKind::kTrain, 0.1, 1}, &cycle);  // 4 % of a cycle
  EstimateEnd(start, start + absl::Seconds(1), &cycle);
  EXPECT_FALSE(cycle.eta.has_value());
  AddJobProgress({JobKind::kEmbed, 1, 1}, &cycle);
  cycle.state = CycleState::kSucceeded;
  EstimateEnd(start, start + absl::Seconds(2), &cycle);
  EXPECT_FALSE(cycle.eta.has_value());
}

}  // namespace
}  // namespace mgral::domain
