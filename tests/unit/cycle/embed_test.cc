// What kEmbed leaves for the stages after it, and whether a table comes next.
#include "server/base/errors.h"
#include "server/cycle/usable_images.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using domain::NewJob;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class EmbedTest : public StageTest {
 protected:
  std::vector<domain::ImageSignals> SignalsOf(const StageOutcome& outcome) {
    return *ParseSignals(*artifacts_.Get(outcome.result));
  }
  // The stage after a whole kEmbed.
  JobKind Next() {
    StageOutcome outcome;
    for (const NewJob& job : RunBefore(JobKind::kEmbed)) outcome = *Run(job);
    results_.clear();
    cycle_.work_id.clear();
    return outcome.next.at(0).kind;
  }
};

TEST_F(EmbedTest, StopsWhenAskedTo) {
  AddSmallPool();
  const NewJob job = RunBefore(JobKind::kEmbed).at(0);
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(job).status()));
}

TEST_F(EmbedTest, WhatTrainingLeftBrokenIsDataLoss) {
  AddSmallPool();
  const NewJob job = RunBefore(JobKind::kEmbed).at(0);
  const TrainedCycle trained = *ParseTrained(results_[JobKind::kTrain].at(0));
  EXPECT_TRUE(absl::IsDataLoss(Run({JobKind::kEmbed, 0, trained.inputs.examples_sha256}).status()));
  EXPECT_FALSE(Run({JobKind::kEmbed, 0, "no hash"}).ok());
  Damage(trained.weights_sha256);
  const absl::Status lost = Run(job).status();
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(trained.weights_sha256));
  results_.erase(JobKind::kTrain);
  EXPECT_TRUE(absl::IsDataLoss(Run(job).status()));
}

TEST_F(EmbedTest, WhatCannotBeDecodedIsRejectedAndNamed) {
  AddSmallPool();
  const NewJob job = RunBefore(JobKind::kEmbed).at(0);
  loader_.sizes.erase("u2");
  const StageOutcome outcome = *Run(job);
  EXPECT_TRUE(Rejected("u2"));
  EXPECT_THAT(images_["u2"].reject_reason, HasSubstr("truncated"));
  EXPECT_THAT(LeftOut(), ElementsAre("u2"));
  EXPECT_THAT(outcome.metrics, Contains(Pair("left_out", 1)));
  const auto signals = SignalsOf(outcome);
  ASSERT_THAT(signals, SizeIs(5));
  EXPECT_NE(signals[1].error, "");
}

TEST_F(EmbedTest, LabelsThatCameMeanwhileAreNotRejected) {
  AddSmallPool();
  const NewJob job = RunBefore(JobKind::kEmbed).at(0);
  loader_.sizes.erase("u2");
  Label("u2");  // its annotator saw it: perhaps it can be decoded again by the next cycle
  ASSERT_TRUE(Run(job).ok());
  EXPECT_FALSE(Rejected("u2"));
  EXPECT_THAT(LeftOut(), ElementsAre("u2"));
}

TEST_F(EmbedTest, AnAddressThatDoesNotAnswerIsLeftOutAfterSomeTries) {
  AddSmallPool();
  const NewJob job = RunBefore(JobKind::kEmbed).at(0);
  loader_.errors["u2"] = base::Unavailable("answered 503", absl::Seconds(1));
  const absl::Status status = Run(job).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("image u2"));
  EXPECT_THAT(left_out_, IsEmpty());
  job_.retries.images = kImageTries;
  const StageOutcome outcome = *Run(job);
  EXPECT_FALSE(Rejected("u2"));
  EXPECT_THAT(LeftOut(), ElementsAre("u2"));
  EXPECT_THAT(outcome.metrics, Contains(Pair("left_out", 1)));
  EXPECT_THAT(SignalsOf(outcome), SizeIs(4));
}

TEST_F(EmbedTest, LeavesTheSignalsOfItsImagesInOrder) {
  AddSmallPool();
  const StageOutcome outcome = *Run(RunBefore(JobKind::kEmbed).at(0));
  const auto signals = SignalsOf(outcome);
  ASSERT_THAT(signals, SizeIs(5));
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(signals[i].image_key, static_cast<int64_t>(i + 1));
    EXPECT_EQ(signals[i].error, "");
    EXPECT_THAT(signals[i].uncertainty, SizeIs(2));
  }
  EXPECT_THAT(kept_, Contains(outcome.result));
  EXPECT_THAT(outcome.metrics, Contains(Pair("images", 5)));
}

TEST_F(EmbedTest, ATableIsMadeForTheStrategiesThatNeedOne) {
  AddSmallPool();
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    cycle_.pool.selection.strategy = info.name;
    EXPECT_EQ(Next(), info.needs_table ? JobKind::kPlan : JobKind::kSelector) << info.name;
  }
  cycle_.pool.selection.strategy = "of a newer release";
  EXPECT_EQ(Next(), JobKind::kSelector);
  cycle_.pool.selection.strategy = "mgral";
  cycle_.cycle.without_table = true;
  EXPECT_EQ(Next(), JobKind::kSelector);
}

TEST_F(EmbedTest, AColdStartHasNoTable) {
  AddUnlabeled("u1");
  EXPECT_EQ(Next(), JobKind::kSelector);
}

}  // namespace
}  // namespace mgral::cycle
