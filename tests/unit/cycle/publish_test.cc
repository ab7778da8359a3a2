// The snapshot that kPublish makes, and the manifest it leaves for the next cycle.
#include "server/cycle/work_folder.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::_;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Return;
using ::testing::SizeIs;

class PublishTest : public StageTest {
 protected:
  domain::CycleStore::Snapshot Published() {
    RunBefore(JobKind::kPublish);
    const StageResult outcome = Run(JobKind::kPublish);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome->snapshot : domain::CycleStore::Snapshot();
  }
  Manifest ManifestOf(const domain::CycleStore::Snapshot& snapshot) {
    return *ParseManifest(*artifacts_.Get(snapshot.manifest_sha256));
  }
};

TEST_F(PublishTest, WhatDoesNotFitTogetherIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPublish);
  const auto results = results_;
  domain::ImageSignals only;
  only.image_key = 1;  // the table has three candidates
  results_[JobKind::kEmbed] = {Put(SerializeSignals({only}))};
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPublish).status()));
  for (const JobKind kind :
       {JobKind::kTrain, JobKind::kEmbed, JobKind::kTable, JobKind::kSelector}) {
    results_ = results;
    results_[kind] = {std::string(64, '0')};
    EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPublish).status())) << domain::JobKindName(kind);
  }
}

TEST_F(PublishTest, ADamagedQueueIsDataLoss) {
  AddSmallPool();
  RunBefore(JobKind::kPublish);
  Damage(ParseRankedPool(results_[JobKind::kSelector].at(0))->queues.at(0).second);
  EXPECT_TRUE(absl::IsDataLoss(Run(JobKind::kPublish).status()));
}

TEST_F(PublishTest, WithoutTheDatabaseItIsTriedAgain) {
  AddSmallPool();
  RunCycleToEnd();
  RunBefore(JobKind::kPublish);
  EXPECT_CALL(cycles_, BatchesSincePublished(_))
      .WillOnce(Return(absl::UnavailableError("no database")));
  EXPECT_TRUE(absl::IsUnavailable(Run(JobKind::kPublish).status()));
  EXPECT_THAT(*artifacts_.WorkFolders({}), SizeIs(1));
}

TEST_F(PublishTest, TheSnapshotHoldsCandidatesQueuesAndTheTable) {
  AddSmallPool();
  const auto snapshot = Published();
  ASSERT_THAT(snapshot.images, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(snapshot.images[i].image_key, static_cast<int64_t>(i + 1));
    EXPECT_EQ(snapshot.images[i].cell, 0);
    EXPECT_EQ(snapshot.images[i].entry, test::FakeSelectionRuntime::Entry());
    EXPECT_THAT(snapshot.images[i].expected_gain, SizeIs(2));
    EXPECT_THAT(snapshot.images[i].predictions, SizeIs(1));
  }
  ASSERT_THAT(snapshot.queues, SizeIs(7));
  EXPECT_EQ(snapshot.queues[0].strategy, "mgral");
  EXPECT_THAT(snapshot.queues[0].image_keys, ElementsAre(1, 2, 3));
  EXPECT_THAT(snapshot.queues[0].uniform, ElementsAre(false, false, false));
  EXPECT_EQ(snapshot.table, test::FakeSelectionRuntime::Table(2));
  ASSERT_TRUE(snapshot.report.has_value());
  EXPECT_EQ(snapshot.report->cells, 1);
  EXPECT_FLOAT_EQ(snapshot.report->selector_gain, 0.02);
  EXPECT_EQ(*artifacts_.Get(snapshot.selector_sha256), "fake selector");
  EXPECT_EQ(snapshot.note, "");
  EXPECT_FALSE(snapshot.realized_gain.has_value());
}

TEST_F(PublishTest, BoxesThatTheDetectorIsTooUnsureOfAreNotShown) {
  AddSmallPool();
  cycle_.cycle.without_table = true;
  RunBefore(JobKind::kPublish);
  domain::ImageSignals image;
  image.image_key = 1;
  image.predictions.resize(2);
  image.predictions[0].score = 0.24;
  image.predictions[1].score = 0.26;
  image.expected_objects = {0.25, 1.5};
  image.uncertainty = {0, 0};
  results_[JobKind::kEmbed] = {Put(SerializeSignals({image}))};
  const auto snapshot = *Run(JobKind::kPublish)->snapshot;
  ASSERT_THAT(snapshot.images.at(0).predictions, SizeIs(1));
  EXPECT_EQ(snapshot.images[0].predictions[0].score, 0.26);
  EXPECT_EQ(snapshot.images[0].expected_boxes, 1.75f);
}

TEST_F(PublishTest, WithoutATableTheSnapshotHasNone) {
  AddSmallPool();
  cycle_.pool.selection.strategy = "random";
  const auto snapshot = Published();
  EXPECT_EQ(snapshot.table, "");
  EXPECT_FALSE(snapshot.report.has_value());
  EXPECT_EQ(snapshot.images.at(0).cell, -1);
  EXPECT_EQ(snapshot.images.at(0).entry, "");
}

TEST_F(PublishTest, AColdStartIsNotedForQueriesAndForTheNextCycle) {
  AddUnlabeled("u1");
  const auto snapshot = Published();
  EXPECT_EQ(snapshot.note, "cold_start");
  EXPECT_FALSE(snapshot.images.at(0).expected_boxes.has_value());
  EXPECT_TRUE(ManifestOf(snapshot).cold_start);
}

TEST_F(PublishTest, AnEmptyPoolIsPublishedToo) {
  const auto snapshot = Published();
  EXPECT_THAT(snapshot.images, IsEmpty());
  EXPECT_NE(snapshot.manifest_sha256, "");
}

TEST_F(PublishTest, TheManifestNamesWhatTheNextCycleReadsAndTheSnapshotKeepsIt) {
  AddSmallPool();
  const auto snapshot = Published();
  const Manifest manifest = ManifestOf(snapshot);
  EXPECT_EQ(ParseExamples(*artifacts_.Get(manifest.examples_sha256))->training.size(), 1u);
  EXPECT_THAT(manifest.realized, IsEmpty());
  EXPECT_THAT(snapshot.artifacts, Contains(manifest.examples_sha256));
}

TEST_F(PublishTest, WhatTheLabelsSinceTheSnapshotBeforeBroughtIsRealized) {
  AddSmallPool();
  RunCycleToEnd();
  published_->model.validation.map50 = 0.25;
  published_->model.validation.classes = {{0.25, 0, 0, 1}, {0.5, 0, 0, 1}};
  Label("u1");
  domain::Batch batch;
  batch.batch_id = "7";
  batch.images.resize(1);
  batch.images[0].image_key = KeyOf("u1");
  batch.images[0].state = domain::ImageState::kLabeled;
  EXPECT_CALL(cycles_, BatchesSincePublished(_))
      .WillOnce(Return(std::vector<domain::Batch>{batch}));
  const auto snapshot = Published();
  EXPECT_EQ(snapshot.realized_gain, 0.25);
  ASSERT_THAT(snapshot.realized, SizeIs(1));
  EXPECT_EQ(snapshot.realized[0].batch_id, "7");
  EXPECT_EQ(snapshot.realized[0].gain.mean, 0.25);
  const Manifest manifest = ManifestOf(snapshot);
  ASSERT_THAT(manifest.realized, SizeIs(1));
  EXPECT_THAT(manifest.realized[0].class_gain, ElementsAre(0.25, 0));
  EXPECT_THAT(manifest.realized[0].class_ap, ElementsAre(0.25, 0.5));
  EXPECT_THAT(manifest.realized[0].features, ElementsAre(1, 1));
}

TEST_F(PublishTest, TheManifestKeepsTheGainsOfAllCycles) {
  AddSmallPool();
  for (const char* id : {"u1", "u2"}) {
    RunCycleToEnd();
    Label(id);
  }
  AddLabeled("t2");
  auto snapshot = Published();
  Manifest manifest = ManifestOf(snapshot);
  ASSERT_THAT(manifest.realized, SizeIs(2));
  EXPECT_THAT(manifest.realized[0].features, ElementsAre(1, 1));  // u1
  EXPECT_THAT(manifest.realized[1].features, ElementsAre(2, 1));  // u2 and t2
  // A cycle without a table adds none and loses none.
  BeginAnotherCycle();
  published_->manifest_sha256 = snapshot.manifest_sha256;
  AddLabeled("t3");
  cycle_.cycle.without_table = true;
  manifest = ManifestOf(Published());
  EXPECT_THAT(manifest.realized, SizeIs(2));
}

TEST_F(PublishTest, RemovesTheCyclesOwnWorkFolder) {
  AddSmallPool();
  ASSERT_TRUE(artifacts_.WorkFolder(WorkFolderName("other")).ok());
  Published();
  EXPECT_THAT(*artifacts_.WorkFolders({}), ElementsAre("cycle-other"));
}

}  // namespace
}  // namespace mgral::cycle
