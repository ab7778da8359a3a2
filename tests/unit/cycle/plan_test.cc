// Which probes kPlan plans, and what it leaves for them.
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class PlanTest : public StageTest {
 protected:
  domain::ProbePlan PlanOf(const StageOutcome& outcome) {
    return *ParsePlan(*artifacts_.Get(outcome.result));
  }
};

TEST_F(PlanTest, BrokenSignalsAreDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  Damage(results_[JobKind::kEmbed].at(0));
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

TEST_F(PlanTest, APoolWithTooFewLabeledImagesIsNotReplayed) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
  EXPECT_THAT(PlanOf(outcome).probes, IsEmpty());
  EXPECT_THAT(outcome.metrics, ElementsAre(Pair("probes", 0)));
}

TEST_F(PlanTest, EveryBaseIsAJob) {
  AddReplayedPool();
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  const domain::ProbePlan plan = PlanOf(outcome);
  EXPECT_THAT(plan.probes, ElementsAre(8, 4));
  ASSERT_EQ(outcome.next.size(), plan.probes.size());
  for (size_t base = 0; base < outcome.next.size(); ++base) {
    EXPECT_EQ(outcome.next[base].kind, JobKind::kProbe);
    EXPECT_EQ(outcome.next[base].shard, static_cast<int>(base));
  }
  EXPECT_EQ(plan.seed, selection_.plan.seed);
  EXPECT_THAT(kept_, testing::Contains(outcome.result));
  EXPECT_THAT(outcome.metrics,
              ElementsAre(Pair("probes", detector_.Profile({"micro"})->replay_probes)));
}

TEST_F(PlanTest, HandsOnWhatTheTableIsMadeFrom) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  ASSERT_TRUE(Run(JobKind::kPlan).ok());
  EXPECT_THAT(selection_.plan.candidates, SizeIs(3));
  ASSERT_THAT(selection_.plan.labeled, SizeIs(1));
  EXPECT_EQ(selection_.plan.labeled[0].image_key, KeyOf("t1"));
  EXPECT_THAT(selection_.plan.labeled_objects, ElementsAre(ElementsAre(1, 0)));
  EXPECT_EQ(selection_.plan.num_classes, 2);
  EXPECT_THAT(selection_.plan.class_ap, ElementsAre(0.5, 0.5));
  EXPECT_EQ(selection_.plan.batch_size, 2);
}

TEST_F(PlanTest, AllThatIsLabeledSaysWhatToExpectOfTheRest) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  ASSERT_TRUE(Run(JobKind::kPlan).ok());
  EXPECT_THAT(selection_.known, testing::UnorderedElementsAre(KeyOf("t1"), KeyOf("v1")));
  ASSERT_THAT(selection_.plan.candidates, SizeIs(3)) << "validation images are no candidates";
  for (const domain::ImageSignals& image : selection_.plan.candidates) {
    EXPECT_THAT(image.expected_objects, ElementsAre(2, 0));  // the boxes of t1 and v1
  }
}

TEST_F(PlanTest, BoxesToBeIgnoredAreNoObjects) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  TrainedCycle trained = *ParseTrained(results_[JobKind::kTrain].at(0));
  CycleExamples examples = *ParseExamples(*artifacts_.Get(trained.inputs.examples_sha256));
  std::vector<domain::Box>& boxes = examples.training.at(0).boxes;
  boxes.resize(4);
  boxes[1].class_index = boxes[2].class_index = boxes[3].class_index = 1;
  boxes[0].ignore = boxes[2].ignore = true;
  trained.inputs.examples_sha256 = Put(SerializeExamples(examples));
  results_[JobKind::kTrain] = {*SerializeTrained(trained)};
  ASSERT_TRUE(Run(JobKind::kPlan).ok());
  EXPECT_THAT(selection_.plan.labeled_objects, ElementsAre(ElementsAre(0, 2)));
}

TEST_F(PlanTest, ThePoolsOwnNumberOfProbesCounts) {
  AddReplayedPool();
  cycle_.pool.selection.replay_probes = 3;
  RunBefore(JobKind::kPlan);
  EXPECT_THAT(PlanOf(*Run(JobKind::kPlan)).probes, ElementsAre(3));
}

TEST_F(PlanTest, WhereTimeIsLimitedThereMayBeFourTimesAsMany) {
  AddReplayedPool();
  cycle_.pool.selection.probe_seconds = 2;
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  EXPECT_THAT(PlanOf(outcome).probes, ElementsAre(8, 8, 8, 8, 8, 8));
  EXPECT_THAT(outcome.metrics, ElementsAre(Pair("most_probes", 48)));
}

TEST_F(PlanTest, APoolMayWantNoProbes) {
  AddReplayedPool();
  cycle_.pool.selection.replay_probes = -1;
  RunBefore(JobKind::kPlan);
  const StageOutcome outcome = *Run(JobKind::kPlan);
  EXPECT_THAT(PlanOf(outcome).probes, IsEmpty());
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
}

TEST_F(PlanTest, LabelsAreReplayedRightAfterAColdStart) {
  for (const char* id : {"u1", "u2", "u3"}) AddUnlabeled(id);
  RunCycleToEnd();
  for (const char* id : {"t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"}) AddLabeled(id);
  RunBefore(JobKind::kPlan);
  EXPECT_THAT(PlanOf(*Run(JobKind::kPlan)).probes, ElementsAre(8, 4));
}

}  // namespace
}  // namespace mgral::cycle
