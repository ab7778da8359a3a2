// Which probes kPlan plans, and what it leaves for them.
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::ProbeBatch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PlanTest : public StageTest {
 protected:
  // Probes without the controls.
  static int Count(const CyclePlan& plan, bool replay) {
    int count = 0;
    for (const ProbeBatch& probe : plan.plan.probes) {
      count += !probe.control && probe.replay == replay;
    }
    return count;
  }
  CyclePlan PlanOf(const StageOutcome& outcome) {
    return *ParsePlan(*artifacts_.Get(outcome.result));
  }
};

TEST_F(PlanTest, BrokenSignalsAreDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  Damage(results_[JobKind::kEmbed].at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPlan).status()));
}

TEST_F(PlanTest, SignalsOfAnImageThatTheCycleDoesNotHaveAreDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  domain::ImageSignals stranger;
  stranger.image_key = 77;
  results_[JobKind::kEmbed] = {Put(SerializeSignals({stranger}))};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPlan).status()));
}

TEST_F(PlanTest, ABrokenManifestOfTheSnapshotBeforeIsDataLoss) {
  AddSmallPool();
  RunCycleToEnd();
  RunBefore(JobKind::kPlan);
  Damage(published_->manifest_sha256);
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPlan).status()));
}

TEST_F(PlanTest, WithoutCandidatesTheSelectorComesNext) {
  AddLabeled("t1");
  AddLabeled("v1", domain::ImageUse::kValidation);
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kSelector);
  EXPECT_EQ(outcome.result, "");
}

TEST_F(PlanTest, WithoutValidationImagesTheTableComesNext) {
  AddUnlabeled("u1");
  AddLabeled("t1");
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
  EXPECT_THAT(PlanOf(outcome).plan.probes, IsEmpty());
}

TEST_F(PlanTest, EveryProbeIsAJobWhoseImagesThePlanHolds) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  const CyclePlan plan = PlanOf(outcome);
  EXPECT_EQ(Count(plan, false), detector_.Profile({"micro"})->probes);
  EXPECT_EQ(Count(plan, true), 0);  // no image was newly labeled in a pool's first cycle
  ASSERT_EQ(outcome.next.size(), plan.plan.probes.size());
  ASSERT_EQ(plan.images.size(), plan.plan.probes.size());
  for (size_t i = 0; i < outcome.next.size(); ++i) {
    EXPECT_EQ(outcome.next[i].kind, JobKind::kProbe);
    EXPECT_EQ(outcome.next[i].shard, static_cast<int>(i));
    const bool control = plan.plan.probes[i].control;
    EXPECT_THAT(plan.images[i], SizeIs(control ? 0 : 2));
    for (const domain::Image& image : plan.images[i]) EXPECT_EQ(image.image_id[0], 'u');
  }
  EXPECT_THAT(kept_, testing::Contains(outcome.result));
}

TEST_F(PlanTest, HandsOnWhatTheTableIsMadeFrom) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  ASSERT_TRUE(Run(JobKind::kPlan).ok());
  EXPECT_THAT(selection_.plan.candidates, SizeIs(3));
  ASSERT_THAT(selection_.plan.labeled, SizeIs(1));
  EXPECT_EQ(selection_.plan.labeled[0].image_key, KeyOf("t1"));
  EXPECT_THAT(selection_.plan.labeled_class_counts, ElementsAre(1, 0));
  EXPECT_EQ(selection_.plan.num_classes, 2);
  EXPECT_EQ(selection_.plan.validation.map50, 0.5);
  EXPECT_EQ(selection_.plan.batch_size, 2);
}

TEST_F(PlanTest, ThePoolsOwnNumberOfProbesCounts) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  cycle_.pool.selection.probes = 2;
  cycle_.pool.selection.replay_probes = 3;
  RunBefore(JobKind::kPlan);
  const CyclePlan plan = PlanOf(*Run(JobKind::kPlan));
  EXPECT_EQ(Count(plan, false), 2);
  EXPECT_EQ(Count(plan, true), 3);
}

TEST_F(PlanTest, ImagesThatGotLabelsSinceTheSnapshotBeforeAreReplayed) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  RunBefore(JobKind::kPlan);
  const CyclePlan plan = PlanOf(*Run(JobKind::kPlan));
  EXPECT_EQ(Count(plan, true), detector_.Profile({"micro"})->replay_probes);
  for (size_t i = 0; i < plan.images.size(); ++i) {
    if (!plan.plan.probes[i].replay || plan.plan.probes[i].control) continue;
    ASSERT_THAT(plan.images[i], SizeIs(1));
    EXPECT_EQ(plan.images[i][0].image_id, "u1");
  }
}

TEST_F(PlanTest, NothingIsReplayedAfterAColdStart) {
  for (const char* id : {"u1", "u2", "u3"}) AddUnlabeled(id);
  RunCycleToEnd();
  Label("u1");
  AddLabeled("v1", domain::ImageUse::kValidation);
  RunBefore(JobKind::kPlan);
  EXPECT_EQ(Count(PlanOf(*Run(JobKind::kPlan)), true), 0);
}

}  // namespace
}  // namespace mgral::cycle
