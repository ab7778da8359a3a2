// What kProbe replays, with which weights, and the base it leaves.
#include "server/base/errors.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::NewJob;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ProbeTest : public StageTest {
 protected:
  // The last base of a cycle that has come to its probes.
  NewJob LastBase() {
    AddReplayedPool();
    const std::vector<NewJob> jobs = RunBefore(JobKind::kProbe);
    EXPECT_THAT(jobs, SizeIs(2));
    return jobs.empty() ? NewJob() : jobs.back();
  }
  static std::vector<std::string> Ids(const std::vector<domain::Example>& examples) {
    std::vector<std::string> ids;
    for (const domain::Example& example : examples) ids.push_back(example.image.image_id);
    return ids;
  }
};

TEST_F(ProbeTest, StopsWhenAskedTo) {
  const NewJob job = LastBase();
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(job).status()));
}

TEST_F(ProbeTest, ABaseThatThePlanDoesNotHaveIsDataLoss) {
  const NewJob job = LastBase();
  for (const int shard : {-1, 2, 99}) {
    EXPECT_TRUE(absl::IsDataLoss(Run({JobKind::kProbe, shard, ""}).status())) << shard;
  }
  Damage(results_[JobKind::kPlan].at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run(job).status()));
  results_.erase(JobKind::kPlan);
  EXPECT_FALSE(Run(job).ok());
}

TEST_F(ProbeTest, DamagedWeightsAreNamed) {
  const NewJob job = LastBase();
  const std::string weights = ParseTrained(results_[JobKind::kTrain].at(0))->weights_sha256;
  Damage(weights);
  const absl::Status lost = Run(job).status();
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(weights));
}

TEST_F(ProbeTest, AnImageThatBreaksMeanwhileCostsThatImageOnly) {
  const NewJob job = LastBase();
  detector_.errors = {base::Unavailable("no answer", absl::Seconds(1))};
  loader_.sizes.erase("t2");
  loader_.sizes.erase("v1");
  ASSERT_TRUE(Run(job).ok());
  EXPECT_THAT(Ids(detector_.replay.labeled), ElementsAre("t1", "t3", "t4", "t5", "t6", "t7", "t8"));
  EXPECT_THAT(Ids(detector_.replay.validation), IsEmpty());
  EXPECT_THAT(LeftOut(), UnorderedElementsAre("t2", "v1"));
  EXPECT_TRUE(Rejected("t2"));
}

TEST_F(ProbeTest, AnImageThatTheDetectorGoesWithoutIsNamed) {
  const NewJob job = LastBase();
  loader_.sizes.erase("t2");
  loader_.sizes.erase("v1");
  ASSERT_TRUE(Run(job).ok());
  EXPECT_THAT(LeftOut(), UnorderedElementsAre("t2", "v1"));
}

TEST_F(ProbeTest, TheCyclesDetectorReplaysAllLabels) {
  const NewJob job = LastBase();
  ASSERT_TRUE(Run(job).ok());
  const auto& request = detector_.replay;
  EXPECT_EQ(request.weights_path,
            *artifacts_.PathOf(ParseTrained(results_[JobKind::kTrain].at(0))->weights_sha256));
  EXPECT_THAT(Ids(request.labeled), ElementsAre("t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"));
  for (const domain::Example& example : request.labeled) EXPECT_THAT(example.boxes, SizeIs(1));
  EXPECT_THAT(Ids(request.validation), ElementsAre("v1"));
  EXPECT_EQ(request.num_classes, 2);
  EXPECT_EQ(request.base, 1);
  EXPECT_EQ(request.probes, 4);                   // of twelve, after the eight of base 0
  EXPECT_EQ(request.seed, selection_.plan.seed);  // the same for every base
  EXPECT_EQ(request.seconds, 0);
}

TEST_F(ProbeTest, BasesShareTheTimeAndTheFewestProbes) {
  cycle_.pool.selection.probe_seconds = 3;  // of 48 probes at most, in six bases
  AddReplayedPool();
  ASSERT_THAT(RunBefore(JobKind::kProbe), SizeIs(6));
  const StageOutcome outcome = *Run({JobKind::kProbe, 5, ""});
  EXPECT_EQ(detector_.replay.probes, 8);
  EXPECT_EQ(detector_.replay.seconds, 0.5);
  EXPECT_EQ(detector_.replay.fewest, 3);  // 16 in all
  EXPECT_THAT(ParseReplayBase(outcome.result)->probes, SizeIs(3));
}

TEST_F(ProbeTest, LeavesItsBaseForTheTable) {
  const StageOutcome outcome = *Run(LastBase());
  const domain::ReplayBase base = *ParseReplayBase(outcome.result);
  EXPECT_THAT(base.image_keys, SizeIs(4));
  ASSERT_THAT(base.probes, SizeIs(4));
  EXPECT_THAT(base.probes[0].image_keys, SizeIs(1));
  EXPECT_THAT(base.probes[0].response, ElementsAre(0.1, 0.1));
  ASSERT_THAT(outcome.metrics, SizeIs(1));
  EXPECT_EQ(outcome.metrics[0].first, "seconds_per_probe");
  EXPECT_DOUBLE_EQ(outcome.metrics[0].second, 0.01);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
}

// So many labeled images broke since the plan was made that the others are too few.
TEST_F(ProbeTest, ABaseWithoutProbesIsLeftToo) {
  const NewJob job = LastBase();
  loader_.sizes.erase("t2");
  const StageOutcome outcome = *Run(job);
  EXPECT_THAT(ParseReplayBase(outcome.result)->probes, IsEmpty());
  EXPECT_THAT(outcome.metrics, IsEmpty());
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
}

}  // namespace
}  // namespace mgral::cycle
