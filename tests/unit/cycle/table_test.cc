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
  AddReplayedPool();
  RunBefore(JobKind::kTable);
  const auto bases = results_[JobKind::kProbe];
  results_[JobKind::kProbe][1] = "no record";
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
  results_[JobKind::kProbe] = {bases[0]};
  EXPECT_FALSE(Run(JobKind::kTable).ok());
  results_[JobKind::kProbe] = bases;
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

TEST_F(TableTest, ABrokenManifestOfTheSnapshotBeforeIsDataLoss) {
  AddSmallPool();
  RunCycleToEnd();
  RunBefore(JobKind::kTable);
  Damage(published_->manifest_sha256);
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTable).status()));
}

TEST_F(TableTest, LeavesAnEntryForEachCandidate) {
  AddReplayedPool();
  RunBefore(JobKind::kTable);
  const StageOutcome outcome = *Run(JobKind::kTable);
  EXPECT_THAT(kept_, Contains(outcome.result));
  const auto table = Loaded();
  EXPECT_EQ(table.table, test::FakeSelectionRuntime::Table(2));
  EXPECT_THAT(table.entries, SizeIs(3));
  EXPECT_THAT(table.entries, Each(test::FakeSelectionRuntime::Entry()));
  EXPECT_THAT(table.cells, SizeIs(3));
  EXPECT_THAT(table.expected_gain, Each(SizeIs(2)));
  EXPECT_EQ(table.report.replay_probes, detector_.Profile({"micro"})->replay_probes);
  EXPECT_THAT(table.newest.features, IsEmpty());  // nothing was labeled before the first cycle
  EXPECT_THAT(outcome.metrics, Contains(Pair("cells", 1)));
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kSelector);
}

TEST_F(TableTest, IsFittedToTheBasesInTheOrderOfThePlan) {
  AddReplayedPool();
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  const auto& request = selection_.table;
  EXPECT_THAT(request.plan.probes, ElementsAre(8, 4));
  ASSERT_THAT(request.bases, SizeIs(2));
  EXPECT_THAT(request.bases[0].probes, SizeIs(8));
  EXPECT_THAT(request.bases[1].probes, SizeIs(4));
  EXPECT_THAT(request.bases[1].probes[3].response, Each(0.1));
  EXPECT_THAT(request.inputs.labeled, SizeIs(8));
  EXPECT_THAT(request.inputs.labeled_objects, Each(ElementsAre(1, 0)));
  EXPECT_THAT(request.realized, IsEmpty());
  EXPECT_THAT(request.newly_labeled, IsEmpty());
}

TEST_F(TableTest, WithoutAnyProbeItIsFittedAllTheSame) {
  AddUnlabeled("u1");
  AddLabeled("t1");
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  EXPECT_THAT(selection_.table.bases, IsEmpty());
  EXPECT_THAT(Loaded().entries, SizeIs(1));
}

TEST_F(TableTest, TheGainsOfAllCyclesAreRealized) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  RunCycleToEnd();
  Label("u2");
  published_->model.validation.classes = {{0.25, 0, 0, 1}, {0.5, 0, 0, 1}};
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  const auto& request = selection_.table;
  ASSERT_THAT(request.realized, SizeIs(1));  // of u1, as the cycle before left it
  EXPECT_THAT(request.realized[0].features, ElementsAre(1, 1));
  EXPECT_THAT(request.realized[0].class_ap, ElementsAre(0.5, 0.5));
  EXPECT_THAT(request.realized[0].class_gain, ElementsAre(0, 0));
  EXPECT_THAT(request.newly_labeled, ElementsAre(KeyOf("u2")));
  EXPECT_THAT(request.previous_class_ap, ElementsAre(0.25, 0.5));
  EXPECT_THAT(request.class_gain, ElementsAre(0.25, 0));
  const domain::RealizedGain newest = Loaded().newest;
  EXPECT_THAT(newest.features, ElementsAre(1, 1));
  EXPECT_THAT(newest.class_ap, ElementsAre(0.25, 0.5));
  EXPECT_THAT(newest.class_gain, ElementsAre(0.25, 0));
}

TEST_F(TableTest, NothingIsRealizedByTheLabelsAfterAColdStart) {
  AddUnlabeled("u1");
  AddUnlabeled("u2");
  RunCycleToEnd();
  Label("u1");
  RunBefore(JobKind::kTable);
  ASSERT_TRUE(Run(JobKind::kTable).ok());
  EXPECT_THAT(selection_.table.newly_labeled, IsEmpty());
  EXPECT_THAT(Loaded().newest.features, IsEmpty());
}

TEST_F(TableTest, ABigTableIsStoredInParts) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  std::vector<domain::ImageSignals> signals(kImagesPerTablePart + 1);
  for (size_t i = 0; i < signals.size(); ++i) signals[i].image_key = static_cast<int64_t>(i) + 100;
  results_[JobKind::kEmbed] = {Put(SerializeSignals(signals))};
  domain::SelectionRuntime::PlanRequest request;
  request.candidates = signals;
  results_[JobKind::kPlan] = {Put(SerializePlan(*selection_.PlanProbes(request)))};
  const StageOutcome outcome = *Run(JobKind::kTable);
  EXPECT_THAT(ParseTable(*artifacts_.Get(outcome.result))->images, SizeIs(2));
  EXPECT_THAT(Loaded().entries, SizeIs(kImagesPerTablePart + 1));
}

}  // namespace
}  // namespace mgral::cycle
