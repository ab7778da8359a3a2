// What kTable is fitted to, and the table it leaves for the selector and for the snapshot.
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class TableTest : public StageTest {
 protected:
  domain::SelectionRuntime::TableResult Loaded() {
    const auto table = LoadTable({ports_, job_, cycle_, progress_});
    EXPECT_TRUE(table.ok() && table->has_value()) << table.status();
    return **table;
  }
};

TEST_F(TableTest, WhatTheProbesLeftBrokenIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kTable);
  const auto responses = results_[JobKind::kProbe];
  results_[JobKind::kProbe][1] = "no record";
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
  results_[JobKind::kProbe] = {responses[0]};
  EXPECT_FALSE(Run(JobKind::kTable).ok());
  results_[JobKind::kProbe] = responses;
  Damage(results_[JobKind::kPlan].at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
}

TEST_F(TableTest, APlanOfOtherCandidatesIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kTable);
  domain::ImageSignals only;
  only.image_key = 1;
  results_[JobKind::kEmbed] = {Put(SerializeSignals({only}))};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
}

TEST_F(TableTest, BrokenSignalsOfAnEarlierGainAreDataLoss) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  RunCycleToEnd();
  RunBefore(JobKind::kTable);
  const Manifest manifest = *ParseManifest(*artifacts_.Get(published_->manifest_sha256));
  Damage(manifest.realized.at(0).signals_sha256);
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
}

TEST_F(TableTest, LeavesAnEntryForEachCandidate) {
  AddSmallPool();
  RunBefore(JobKind::kTable);
  const StageOutcome outcome = *Run(JobKind::kTable);
  EXPECT_THAT(kept_, Contains(outcome.result));
  const auto table = Loaded();
  EXPECT_EQ(table.table, test::FakeSelectionRuntime::Table(2));
  EXPECT_THAT(table.entries, SizeIs(3));
  EXPECT_THAT(table.entries, Each(test::FakeSelectionRuntime::Entry()));
  EXPECT_THAT(table.cells, SizeIs(3));
  EXPECT_THAT(table.expected_gain, Each(SizeIs(2)));
  EXPECT_EQ(table.report.probes, detector_.Profile({"micro"})->probes);
  EXPECT_THAT(outcome.metrics, Contains(Pair("cells", 1)));
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kSelector);
}

TEST_F(TableTest, IsFittedToTheResponsesInTheOrderOfThePlan) {
  AddSmallPool();
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  ASSERT_EQ(selection_.table.responses.size(), selection_.table.plan.probes.size());
  for (size_t i = 0; i < selection_.table.responses.size(); ++i) {
    const double gain = selection_.table.plan.probes[i].control ? 0 : 0.02;
    EXPECT_THAT(selection_.table.responses[i].class_ap50, Each(testing::DoubleEq(0.5 + gain))) << i;
  }
  EXPECT_THAT(selection_.table.realized, IsEmpty());
}

TEST_F(TableTest, WithoutAnyProbeItIsFittedAllTheSame) {
  AddUnlabeled("u1");
  AddLabeled("t1");
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  EXPECT_THAT(selection_.table.responses, IsEmpty());
  EXPECT_THAT(Loaded().entries, SizeIs(1));
}

TEST_F(TableTest, TheGainsOfAllCyclesAreRealized) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  RunCycleToEnd();
  Label("u2");
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  const auto& realized = selection_.table.realized;
  ASSERT_THAT(realized, SizeIs(2));
  ASSERT_THAT(realized[0].images, SizeIs(1));
  EXPECT_EQ(realized[0].images[0].image_key, KeyOf("u1"));
  ASSERT_THAT(realized[1].images, SizeIs(1));
  EXPECT_EQ(realized[1].images[0].image_key, KeyOf("u2"));
  EXPECT_THAT(realized[1].class_gain, ElementsAre(0, 0));  // the fake's AP never changes
}

TEST_F(TableTest, ABigTableIsStoredInParts) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  std::vector<domain::ImageSignals> signals(kImagesPerTablePart + 1);
  for (size_t i = 0; i < signals.size(); ++i) signals[i].image_key = static_cast<int64_t>(i) + 100;
  results_[JobKind::kEmbed] = {Put(SerializeSignals(signals))};
  CyclePlan plan;
  domain::SelectionRuntime::PlanRequest request;
  request.candidates = signals;
  plan.plan = *selection_.PlanProbes(request);
  results_[JobKind::kPlan] = {Put(SerializePlan(plan))};
  const StageOutcome outcome = *Run(JobKind::kTable);
  EXPECT_THAT(ParseTable(*artifacts_.Get(outcome.result))->images, SizeIs(2));
  EXPECT_THAT(Loaded().entries, SizeIs(kImagesPerTablePart + 1));
}

}  // namespace
}  // namespace mgral::cycle
