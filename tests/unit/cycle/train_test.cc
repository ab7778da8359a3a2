// What kTrain fixes, trains on and records, and which images the cycle embeds.
#include "server/base/errors.h"
#include "server/cycle/work_folder.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::ImageUse;
using domain::JobKind;
using ::testing::_;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Return;
using ::testing::SizeIs;
using TrainTest = StageTest;

std::vector<std::string> Ids(const std::vector<domain::Example>& examples) {
  std::vector<std::string> ids;
  for (const domain::Example& example : examples) ids.push_back(example.image.image_id);
  return ids;
}

TEST_F(TrainTest, StopsWhenAskedTo) {
  AddSmallPool();
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(JobKind::kTrain).status()));
  EXPECT_THAT(models_, IsEmpty());
}

TEST_F(TrainTest, AnImageThatDoesNotAnswerFixesNothing) {
  AddSmallPool();
  loader_.errors["t1"] = base::Unavailable("answered 503", absl::Seconds(1));
  EXPECT_CALL(cycles_, FixInputs(_, _)).Times(0);
  const absl::Status status = Run(JobKind::kTrain).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("image t1"));
}

TEST_F(TrainTest, ALostLeaseRecordsNoModel) {
  AddSmallPool();
  EXPECT_CALL(cycles_, FixInputs(_, _)).WillOnce(Return(base::LeaseLost("taken over")));
  EXPECT_TRUE(base::IsLeaseLost(Run(JobKind::kTrain).status()));
  EXPECT_THAT(models_, IsEmpty());
}

TEST_F(TrainTest, BrokenInputsAreDataLoss) {
  AddSmallPool();
  cycle_.work_id = "work-id";
  cycle_.inputs = "no record";
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTrain).status()));
  CycleInputs inputs;
  inputs.examples_sha256 = Put(SerializeExamples({}));
  cycle_.inputs = *SerializeInputs(inputs);
  Damage(inputs.examples_sha256);
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTrain).status()));
}

TEST_F(TrainTest, RejectsAndNamesLabeledImagesThatCannotBeUsed) {
  AddSmallPool();
  AddLabeled("t2");
  AddLabeled("v2", ImageUse::kValidation);
  loader_.sizes.erase("t2");        // cannot be decoded
  loader_.sizes["v2"] = {100, 99};  // not the file that was labeled
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_THAT(LeftOut(), ElementsAre("t2", "v2"));
  EXPECT_TRUE(Rejected("t2"));
  EXPECT_TRUE(Rejected("v2"));
  EXPECT_THAT(Ids(detector_.train.training), ElementsAre("t1"));
  EXPECT_THAT(Ids(detector_.train.validation), ElementsAre("v1"));
  EXPECT_EQ(models_.at(0).training_images, 1);
}

TEST_F(TrainTest, AnImageThatBreaksMeanwhileCostsThatImageOnly) {
  AddSmallPool();
  AddLabeled("t2");
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  detector_.errors = {absl::DataLossError("artifact is missing")};
  loader_.errors["t2"] = absl::DataLossError("artifact is missing");
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_THAT(LeftOut(), ElementsAre("t2"));
  EXPECT_THAT(Ids(detector_.train.training), ElementsAre("t1"));
  EXPECT_EQ(models_.back().training_images, 1);
}

TEST_F(TrainTest, AnImageThatBreaksAfterTheCheckIsNamedAndNotCounted) {
  AddSmallPool();
  AddLabeled("t2");
  detector_.errors = {absl::ResourceExhaustedError("no memory")};
  EXPECT_FALSE(Run(JobKind::kTrain).ok());  // the inputs are fixed and checked
  loader_.sizes.erase("t2");
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_THAT(LeftOut(), ElementsAre("t2"));
  EXPECT_THAT(left_out_.at(0).reason, HasSubstr("truncated"));
  EXPECT_EQ(models_.at(0).training_images, 1);
  EXPECT_FALSE(models_[0].cold_start);
  loader_.sizes.erase("t1");
  EXPECT_TRUE(ParseTrained(Run(JobKind::kTrain)->result)->cold_start);
  EXPECT_EQ(models_.at(1).training_images, 0);
}

TEST_F(TrainTest, AnErrorThatNoImageExplainsIsReturned) {
  AddSmallPool();
  detector_.errors = {absl::InternalError("the loss is not finite")};
  EXPECT_TRUE(absl::IsInternal(Run(JobKind::kTrain).status()));
  detector_.errors = {absl::DataLossError("again"), absl::DataLossError("the weights")};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kTrain).status()));
  EXPECT_THAT(models_, IsEmpty());
  EXPECT_THAT(left_out_, IsEmpty());
}

TEST_F(TrainTest, ASecondAttemptWorksOnTheInputsOfTheFirst) {
  AddSmallPool();
  detector_.errors = {absl::ResourceExhaustedError("no memory")};
  EXPECT_FALSE(Run(JobKind::kTrain).ok());
  const std::string folder = detector_.train.checkpoint_folder;
  const uint64_t seed = detector_.train.seed;
  Label("u1");  // waits for the next cycle
  EXPECT_CALL(cycles_, FixInputs(_, _)).Times(0);
  const StageOutcome outcome = *Run(JobKind::kTrain);
  EXPECT_THAT(Ids(detector_.train.training), ElementsAre("t1"));
  EXPECT_EQ(detector_.train.checkpoint_folder, folder);
  EXPECT_EQ(detector_.train.seed, seed);
  EXPECT_EQ(folder, *artifacts_.WorkFolder(WorkFolderName("work-id")));
  EXPECT_EQ(ParseTrained(outcome.result)->inputs.examples_sha256,
            ParseInputs(cycle_.inputs)->examples_sha256);
}

TEST_F(TrainTest, InputsThatAnotherWorkerFixedFirstAreTaken) {
  AddSmallPool();
  CycleInputs theirs;
  theirs.seed = 99;
  theirs.examples_sha256 = Put(SerializeExamples({}));
  domain::CycleStore::CycleContext fixed = cycle_;
  fixed.inputs = *SerializeInputs(theirs);
  fixed.work_id = "theirs";
  EXPECT_CALL(cycles_, FixInputs(_, _)).WillOnce(Return(fixed));
  const TrainedCycle trained = *ParseTrained(Run(JobKind::kTrain)->result);
  EXPECT_EQ(trained.inputs.seed, 99u);
  EXPECT_TRUE(trained.cold_start);
  EXPECT_THAT(detector_.train.checkpoint_folder, HasSubstr(WorkFolderName("theirs")));
}

TEST_F(TrainTest, RecordsTheModelAndLeavesItsWeights) {
  AddSmallPool();
  const TrainedCycle trained = *ParseTrained(Run(JobKind::kTrain)->result);
  EXPECT_FALSE(trained.cold_start);
  EXPECT_FALSE(trained.inputs.previous.has_value());
  EXPECT_THAT(trained.class_ap50, ElementsAre(0.5, 0.5));
  EXPECT_EQ(trained.map50, 0.5);
  ASSERT_THAT(models_, SizeIs(1));
  EXPECT_EQ(models_[0].weights_sha256, trained.weights_sha256);
  EXPECT_EQ(models_[0].profile, "micro");
  EXPECT_EQ(models_[0].training_images, 1);
  EXPECT_EQ(models_[0].validation.images, 1);
  EXPECT_TRUE(artifacts_.PathOf(trained.weights_sha256).ok());
  // Nothing else names them before the snapshot does.
  EXPECT_THAT(kept_, Contains(trained.inputs.examples_sha256));
  EXPECT_THAT(kept_, Contains(trained.inputs.shards.at(0)));
}

TEST_F(TrainTest, EmbeddingIsSharedOutInJobsOf500Images) {
  for (int i = 0; i < 1000; ++i) AddUnlabeled("u" + std::to_string(i));
  AddLabeled("t1");
  AddLabeled("v1", ImageUse::kValidation);
  const StageOutcome outcome = *Run(JobKind::kTrain);
  ASSERT_THAT(outcome.next, SizeIs(3));
  std::set<int64_t> keys;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(outcome.next[i].kind, JobKind::kEmbed);
    EXPECT_EQ(outcome.next[i].shard, i);
    const auto images = *ParseImages(*artifacts_.Get(outcome.next[i].payload));
    EXPECT_THAT(images, SizeIs(i < 2 ? 500 : 2));
    for (const domain::Image& image : images) keys.insert(image.key);
  }
  EXPECT_THAT(keys, SizeIs(1002));
  EXPECT_THAT(keys, Contains(KeyOf("t1")));
  EXPECT_THAT(keys, Contains(KeyOf("v1")));
}

TEST_F(TrainTest, WithoutTrainingImagesItIsAColdStart) {
  AddUnlabeled("u1");
  const StageOutcome outcome = *Run(JobKind::kTrain);
  EXPECT_TRUE(ParseTrained(outcome.result)->cold_start);
  EXPECT_TRUE(models_.at(0).cold_start);
  EXPECT_EQ(outcome.next.at(0).kind, JobKind::kEmbed);
}

TEST_F(TrainTest, APoolWithoutImagesGoesOnToTheSelector) {
  const StageOutcome outcome = *Run(JobKind::kTrain);
  ASSERT_THAT(outcome.next, SizeIs(1));
  EXPECT_EQ(outcome.next[0].kind, JobKind::kSelector);
}

// An imported model, as the store gives it.
domain::Model Imported(int64_t version, const std::string& weights_sha256) {
  domain::Model model;
  model.version = version;
  model.import_version = version;
  model.imported_from = "best.pth";
  model.weights_sha256 = weights_sha256;
  return model;
}

TEST_F(TrainTest, AnImportedModelIsWhatTrainingsBeginWith) {
  AddSmallPool();
  const domain::Model imported = Imported(1, *artifacts_.Put("2 99"));
  EXPECT_CALL(cycles_, GetModel(cycle_.pool.key, 1)).WillRepeatedly(Return(imported));
  cycle_.pool.start_model_version = 1;
  const std::string path = *artifacts_.PathOf(imported.weights_sha256);
  RunCycleToEnd();
  EXPECT_EQ(detector_.train.warm_start_path, path);
  EXPECT_EQ(models_.at(0).import_version, 1);

  // Every training does, without a warm start.
  Label("u1");
  StageOutcome outcome = *Run(JobKind::kTrain);
  EXPECT_EQ(detector_.train.warm_start_path, path);
  EXPECT_EQ(ParseTrained(outcome.result)->inputs.import_version, 1);
  EXPECT_TRUE(ParseTrained(outcome.result)->inputs.previous.has_value());

  // With one, training goes on from what descends from the import, and begins with a later import.
  cycle_.pool.detector.warm_start = true;
  published_->model.import_version = 1;
  published_->model.training_images = 2;
  BeginAnotherCycle();
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_EQ(detector_.train.warm_start_path, *artifacts_.PathOf(published_->model.weights_sha256));
  EXPECT_EQ(models_.back().import_version, 1);
  const domain::Model later = Imported(5, *artifacts_.Put("2 98"));
  EXPECT_CALL(cycles_, GetModel(cycle_.pool.key, 5)).WillRepeatedly(Return(later));
  cycle_.pool.start_model_version = 5;
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_EQ(models_.back().import_version, 1) << "a running cycle keeps its start";
  BeginAnotherCycle();
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_EQ(detector_.train.warm_start_path, *artifacts_.PathOf(later.weights_sha256));
  EXPECT_EQ(models_.back().import_version, 5);
}

TEST_F(TrainTest, APublishedImportIsNoPreviousSnapshot) {
  AddSmallPool();
  const domain::Model imported = Imported(3, *artifacts_.Put("2 99"));
  EXPECT_CALL(cycles_, GetModel(cycle_.pool.key, 3)).WillRepeatedly(Return(imported));
  published_ = domain::CycleStore::Published{0, imported, "", "", ""};
  // The pool was read before it was imported.
  const StageOutcome outcome = *Run(JobKind::kTrain);
  const CycleInputs inputs = ParseTrained(outcome.result)->inputs;
  EXPECT_FALSE(inputs.previous.has_value());
  EXPECT_EQ(inputs.import_version, 3);
  EXPECT_EQ(detector_.train.warm_start_path, *artifacts_.PathOf(imported.weights_sha256));
}

TEST_F(TrainTest, AWarmStartBeginsWithThePublishedWeights) {
  AddSmallPool();
  RunCycleToEnd();
  Label("u1");
  const uint64_t first_seed = detector_.train.seed;
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  EXPECT_EQ(detector_.train.warm_start_path, "");
  EXPECT_NE(detector_.train.seed, first_seed);
  cycle_.pool.detector.warm_start = true;
  const StageOutcome outcome = *Run(JobKind::kTrain);
  EXPECT_EQ(detector_.train.warm_start_path, *artifacts_.PathOf(published_->model.weights_sha256));
  const auto previous = ParseTrained(outcome.result)->inputs.previous;
  ASSERT_TRUE(previous.has_value());
  EXPECT_EQ(previous->weights_sha256, published_->model.weights_sha256);
  EXPECT_EQ(previous->manifest_sha256, published_->manifest_sha256);
  EXPECT_EQ(previous->selector_sha256, published_->selector_sha256);
  EXPECT_THAT(previous->class_ap50, ElementsAre(0.5, 0.5));
  Damage(published_->model.weights_sha256);
  const absl::Status lost = Run(JobKind::kTrain).status();
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(published_->model.weights_sha256));
}

}  // namespace
}  // namespace mgral::cycle
