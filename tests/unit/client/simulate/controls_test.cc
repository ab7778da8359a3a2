// Strategies that see the labels of what they pick.
#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/simulate_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

class ControlsTest : public SimulateTest {};

TEST_F(ControlsTest, TrueCountsArePickedHereAndLabeledWithoutALease) {
  options_.strategies = {"true_counts", "mgral"};
  options_.seeds = {1};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(service_.pools().size(), 2u);
  EXPECT_EQ(service_.pools()[0]->queries, std::vector<std::string>({"mgral", "mgral"}));
  const FakePool& pool = *service_.pools()[1];
  EXPECT_TRUE(pool.queries.empty());
  EXPECT_EQ(pool.without_table, std::vector<bool>({true, true}));
  EXPECT_EQ(pool.first_labels.size(), 14u);  // initial, the shared start's, and the second batch
  const StrategyRun& run = results->runs[1];
  ASSERT_EQ(run.points.size(), 3u);
  EXPECT_EQ(run.points[1].strategy_used, "true_counts");
  EXPECT_EQ(run.points[1].estimated_gain, std::nullopt);
  EXPECT_EQ(run.points[2].labels, 14);
  // It picks fuller images than the first in order.
  EXPECT_GT(*run.points[1].boxes, *results->runs[0].points[1].boxes);
}

TEST_F(ControlsTest, AModelThatIsGoneEndsTrueCounts) {
  options_.strategies = {"true_counts"};
  options_.seeds = {1};
  service_.no_models = true;
  EXPECT_TRUE(absl::IsNotFound(Run().status()));
}

TEST_F(ControlsTest, BestOfTriesEachBatchInAPoolOfItsOwn) {
  options_.strategies = {"best_of", "random"};
  options_.seeds = {1};
  // The detectors of the third and the fifth pool that is tried are the best.
  service_.map50 = [](size_t pool) { return pool == 3 || pool == 5 ? 0.75 : 0.5; };
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  // Its own pool, two batches of eight trials, and random's.
  ASSERT_EQ(service_.pools().size(), 1u + 16u + 1u);
  const StrategyRun& run = results->runs[0];
  ASSERT_EQ(run.points.size(), 3u);
  EXPECT_EQ(run.points[1].strategy_used, "best_of");
  const std::vector<std::string>& labels = service_.pools()[0]->first_labels;
  ASSERT_EQ(labels.size(), 14u);
  std::set<std::set<std::string>> tried;
  for (size_t k = 1; k <= 8; ++k) {
    const FakePool& trial = *service_.pools()[k];
    EXPECT_TRUE(trial.deleted);
    EXPECT_EQ(trial.without_table, std::vector<bool>({true}));
    EXPECT_EQ(trial.pool.selection().seed(), 1);
    ASSERT_EQ(trial.first_labels.size(), 10u);
    EXPECT_TRUE(std::equal(labels.begin(), labels.begin() + 6, trial.first_labels.begin()));
    tried.emplace(trial.first_labels.begin() + 6, trial.first_labels.end());
    EXPECT_EQ(trial.first_labels == std::vector<std::string>(labels.begin(), labels.begin() + 10),
              k == 3);
  }
  EXPECT_EQ(tried.size(), 8u);
  EXPECT_DOUBLE_EQ(*run.seconds.train, 3 * 2 + 16 * 2);
}

TEST_F(ControlsTest, ABatchThatCannotBeTriedEndsTheRun) {
  options_.strategies = {"best_of"};
  options_.seeds = {1};
  service_.fail_at_cycle = 0;
  service_.fail_at_pool = 2;
  const absl::Status status = Run().status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("a batch that best_of tries, seed 1"));
  EXPECT_EQ(service_.pools().size(), 3u);
}

}  // namespace
}  // namespace mgral::client
