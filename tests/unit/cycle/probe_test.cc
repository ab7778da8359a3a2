// What kProbe fine-tunes on, from which weights, and the response it leaves.
#include "server/base/errors.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::NewJob;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ProbeTest : public StageTest {
 protected:
  // The first probe of a kind, controls excepted, of a cycle that has come to its probes.
  NewJob ProbeJob(bool replay) {
    const std::vector<NewJob> jobs = RunBefore(JobKind::kProbe);
    const CyclePlan plan = *ParsePlan(*artifacts_.Get(results_[JobKind::kPlan].at(0)));
    for (const NewJob& job : jobs) {
      const domain::ProbeBatch& probe = plan.plan.probes.at(job.shard);
      if (!probe.control && probe.replay == replay) return job;
    }
    ADD_FAILURE() << "there is no such probe";
    return {};
  }
  static std::vector<std::string> Ids(const std::vector<domain::Example>& examples) {
    std::vector<std::string> ids;
    for (const domain::Example& example : examples) ids.push_back(example.image.image_id);
    return ids;
  }
};

TEST_F(ProbeTest, StopsWhenAskedTo) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(job).status()));
}

TEST_F(ProbeTest, WhatThePlanDoesNotHaveIsDataLoss) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  for (const int shard : {-1, 99}) {
    EXPECT_TRUE(absl::IsDataLoss(Run({JobKind::kProbe, shard, ""}).status())) << shard;
  }
  Damage(results_[JobKind::kPlan].at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run(job).status()));
  results_.erase(JobKind::kPlan);
  EXPECT_FALSE(Run(job).ok());
}

TEST_F(ProbeTest, AReplayInAPoolsFirstCycleIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPlan);
  CyclePlan plan;
  plan.plan.probes.resize(1);
  plan.plan.probes[0].replay = true;
  plan.images.resize(1);
  results_[JobKind::kPlan] = {Put(SerializePlan(plan))};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kProbe).status()));
}

TEST_F(ProbeTest, DamagedWeightsAreNamed) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  const std::string weights = ParseTrained(results_[JobKind::kTrain].at(0))->weights_sha256;
  Damage(weights);
  const absl::Status lost = Run(job).status();
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(weights));
}

TEST_F(ProbeTest, AnImageThatBreaksMeanwhileCostsThatImageOnly) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  ASSERT_TRUE(Run(job).ok());
  const std::vector<std::string> batch = Ids(detector_.probe.batch);
  detector_.errors = {base::Unavailable("no answer", absl::Seconds(1))};
  loader_.sizes.erase(batch.at(0));
  ASSERT_TRUE(Run(job).ok());
  EXPECT_THAT(Ids(detector_.probe.batch), ElementsAre(batch.at(1)));
  EXPECT_THAT(LeftOut(), ElementsAre(batch.at(0)));
  EXPECT_TRUE(Rejected(batch.at(0)));
}

TEST_F(ProbeTest, AnImageThatTheDetectorGoesWithoutIsNamed) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  loader_.sizes.erase("v1");
  ASSERT_TRUE(Run(job).ok());
  EXPECT_THAT(LeftOut(), ElementsAre("v1"));
}

TEST_F(ProbeTest, ACandidatesBatchGoesWithoutLabelsToTheCyclesDetector) {
  AddSmallPool();
  const NewJob job = ProbeJob(false);
  ASSERT_TRUE(Run(job).ok());
  EXPECT_EQ(detector_.probe.weights_path,
            *artifacts_.PathOf(ParseTrained(results_[JobKind::kTrain].at(0))->weights_sha256));
  EXPECT_THAT(detector_.probe.batch, SizeIs(2));
  for (const domain::Example& example : detector_.probe.batch) {
    EXPECT_THAT(example.boxes, IsEmpty());
  }
  EXPECT_THAT(Ids(detector_.probe.labeled), ElementsAre("t1"));
  EXPECT_THAT(Ids(detector_.probe.validation), ElementsAre("v1"));
  EXPECT_EQ(detector_.probe.num_classes, 2);
}

TEST_F(ProbeTest, AReplayGoesWithItsLabelsToThePreviousDetector) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  const NewJob job = ProbeJob(true);
  ASSERT_TRUE(Run(job).ok());
  EXPECT_EQ(detector_.probe.weights_path, *artifacts_.PathOf(published_->model.weights_sha256));
  EXPECT_THAT(Ids(detector_.probe.batch), ElementsAre("u1"));
  EXPECT_THAT(detector_.probe.batch[0].boxes, SizeIs(1));
  EXPECT_THAT(Ids(detector_.probe.labeled), ElementsAre("t1"));  // all that it was trained on
}

TEST_F(ProbeTest, LeavesItsResponseForTheTable) {
  AddSmallPool();
  const StageOutcome outcome = *Run(ProbeJob(false));
  const domain::ProbeResponse response = *ParseProbeResponse(outcome.result);
  EXPECT_THAT(response.class_ap50, Each(testing::DoubleEq(0.52)));
  EXPECT_THAT(response.class_loss, SizeIs(2));
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kTable);
}

}  // namespace
}  // namespace mgral::cycle
