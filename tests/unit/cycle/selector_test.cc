// Which strategies kSelector ranks the pool by, and the queues it leaves for the snapshot.
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SelectorTest : public StageTest {
 protected:
  static std::vector<std::string> Strategies(const RankedPool& ranked) {
    std::vector<std::string> names;
    for (const auto& [strategy, keys] : ranked.queues) names.push_back(strategy);
    return names;
  }
  RankedPool Ranked() {
    RunBefore(JobKind::kSelector);
    const StageResult outcome = Run(JobKind::kSelector);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *ParseRankedPool(outcome->result) : RankedPool();
  }
};

TEST_F(SelectorTest, StopsWhenAskedTo) {
  AddSmallPool();
  RunBefore(JobKind::kSelector);
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(JobKind::kSelector).status()));
  EXPECT_THAT(selection_.ranked, IsEmpty());
  progress_ = [](double fraction) { return fraction < 0.9; };  // amid the cheap strategies
  EXPECT_TRUE(absl::IsCancelled(Run(JobKind::kSelector).status()));
}

TEST_F(SelectorTest, ABrokenTableIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kSelector);
  const TableParts parts = *ParseTable(*artifacts_.Get(results_[JobKind::kTable].at(0)));
  Damage(parts.images.at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kSelector).status()));
  results_[JobKind::kTable] = {results_[JobKind::kPlan].at(0)};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kSelector).status()));
}

TEST_F(SelectorTest, ADamagedPreviousSelectorIsNamed) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  RunBefore(JobKind::kSelector);
  Damage(published_->selector_sha256);
  const absl::Status lost = Run(JobKind::kSelector).status();
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(published_->selector_sha256));
}

TEST_F(SelectorTest, AColdStartRanksWithoutADetector) {
  AddUnlabeled("u1");
  EXPECT_THAT(Strategies(Ranked()), ElementsAre("cold_start", "random"));
}

TEST_F(SelectorTest, AnEmptyPoolGetsEmptyQueues) {
  for (const auto& [strategy, keys] : Ranked().queues) {
    EXPECT_THAT(ParseQueue(*artifacts_.Get(keys))->image_keys, IsEmpty()) << strategy;
  }
}

TEST_F(SelectorTest, RanksThePoolsStrategyFirstThenTheCheapOnes) {
  AddSmallPool();
  EXPECT_THAT(Strategies(Ranked()), ElementsAre("mgral", "lookup_greedy", "random", "entropy",
                                                "margin", "core_set", "class_balanced"));
}

TEST_F(SelectorTest, EveryStrategyIsRankedOnce) {
  AddSmallPool();
  cycle_.pool.selection.strategy = "margin";
  EXPECT_THAT(Strategies(Ranked()),
              ElementsAre("margin", "random", "entropy", "core_set", "class_balanced"));
}

TEST_F(SelectorTest, WithoutATableTheStrategiesThatNeedOneAreLeftOut) {
  AddSmallPool();
  cycle_.cycle.without_table = true;
  const RankedPool ranked = Ranked();
  EXPECT_THAT(Strategies(ranked),
              ElementsAre("random", "entropy", "margin", "core_set", "class_balanced"));
  EXPECT_EQ(ranked.selector_sha256, "");
}

TEST_F(SelectorTest, LeavesTheQueuesAndTheSelector) {
  AddSmallPool();
  RunBefore(JobKind::kSelector);
  const StageOutcome outcome = *Run(JobKind::kSelector);
  const RankedPool ranked = *ParseRankedPool(outcome.result);
  for (const auto& [strategy, keys] : ranked.queues) {
    EXPECT_THAT(ParseQueue(*artifacts_.Get(keys))->image_keys, ElementsAre(1, 2, 3)) << strategy;
    EXPECT_THAT(kept_, Contains(keys));
  }
  EXPECT_EQ(*artifacts_.Get(ranked.selector_sha256), "fake selector");
  EXPECT_THAT(kept_, Contains(ranked.selector_sha256));
  EXPECT_FLOAT_EQ(ranked.selector_gain, 0.02);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kPublish);
}

TEST_F(SelectorTest, TheLabeledObjectsOfEachClassAreHandedOn) {
  AddSmallPool();
  AddLabeled("t2");
  Ranked();
  // Those of the validation image do not count.
  EXPECT_THAT(selection_.ranked.at(0).labeled_class_counts, ElementsAre(2, 0));
}

TEST_F(SelectorTest, ThePreviousSelectorIsHandedOn) {
  AddSmallPool();
  RunCycleToEnd();
  EXPECT_EQ(selection_.ranked.at(0).previous_selector, "");
  selection_.ranked.clear();
  Ranked();
  EXPECT_EQ(selection_.ranked.at(0).previous_selector, "fake selector");
}

TEST_F(SelectorTest, OnlyQueuesByTheTableHoldImagesThatAreDrawnAtRandom) {
  for (int i = 0; i < 40; ++i) AddUnlabeled("more-" + std::to_string(i));
  AddSmallPool();
  cycle_.pool.selection.uniform_share = 0.25;
  int64_t drawn = 0;
  for (const auto& [strategy, keys] : Ranked().queues) {
    const RankedQueue queue = *ParseQueue(*artifacts_.Get(keys));
    EXPECT_THAT(queue.image_keys, SizeIs(43)) << strategy;
    const int64_t uniform = std::count(queue.uniform.begin(), queue.uniform.end(), true);
    EXPECT_EQ(uniform, strategy == "mgral" || strategy == "lookup_greedy" ? 10 : 0) << strategy;
    drawn += uniform;
  }
  EXPECT_EQ(drawn, 20);
}

TEST_F(SelectorTest, ThePoolsCostsAreHandedOn) {
  AddSmallPool();
  cycle_.pool.selection.seconds_per_image = 30;
  Ranked();
  EXPECT_EQ(selection_.ranked.at(0).cost.per_image, 30);
  EXPECT_EQ(selection_.ranked.at(0).cost.per_box, 0);
}

TEST_F(SelectorTest, AQueueIsAsLongAsSeveralBatches) {
  AddSmallPool();
  for (const auto& [batch_size, limit] : {std::pair(2, 500), {100, 1000}, {5000, 10000}}) {
    cycle_.pool.selection.batch_size = batch_size;
    selection_.ranked.clear();
    results_.clear();
    Ranked();
    EXPECT_EQ(selection_.ranked.at(0).limit, limit);
    EXPECT_EQ(selection_.ranked.at(0).batch_size, batch_size);
  }
}

}  // namespace
}  // namespace mgral::cycle
