#include "server/cycle/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/cycle/work_folder.h"
#include "tests/support/mock_pool_store.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Return;

class MockJobQueue : public domain::JobQueue {
 public:
  using Claimed = absl::StatusOr<std::optional<domain::JobLease>>;
  using Metrics = std::vector<std::pair<std::string, double>>;
  using Strings = absl::StatusOr<std::vector<std::string>>;
  MOCK_METHOD(Claimed, Claim, (const std::string&, absl::Duration), (override));
  MOCK_METHOD(absl::Status, Heartbeat, (const domain::JobLease&, absl::Duration, double),
              (override));
  MOCK_METHOD(absl::Status, Complete,
              (const domain::JobLease&, const std::string&, double, const Metrics&,
               const std::vector<domain::NewJob>&),
              (override));
  MOCK_METHOD(absl::Status, Fail, (const domain::JobLease&, const std::string&), (override));
  MOCK_METHOD(absl::Status, Release, (const domain::JobLease&), (override));
  MOCK_METHOD(absl::Status, Retry, (const domain::JobLease&, absl::Duration), (override));
  MOCK_METHOD(Strings, Results, (int64_t, JobKind), (override));
  MOCK_METHOD(bool, WaitForJob, (absl::Duration), (override));
};

domain::Image MakeImage(int64_t key) {
  domain::Image image;
  image.key = key;
  image.image_id = "i" + std::to_string(key);
  return image;
}

domain::ImageSignals MakeSignals(int64_t key, double score) {
  domain::ImageSignals signals;
  signals.image_key = key;
  signals.embedding = {1, 2};
  signals.predictions.resize(1);
  signals.predictions[0].score = score;
  return signals;
}

// A cycle of images 1 (labeled), 2, 3 and 4 (cannot be decoded), whose stages before the one at
// hand are done.
class StagesTest : public testing::Test {
 protected:
  StagesTest() {
    ports_.pools = &pools_;
    ports_.cycles = &cycles_;
    ports_.jobs = &jobs_;
    ports_.artifacts = &artifacts_;
    cycle_.pool.classes = {"disc", "square"};
    cycle_.pool.selection.batch_size = 4;
    cycle_.work_id = "work-id";
    ON_CALL(jobs_, Results(_, _)).WillByDefault([&](int64_t, JobKind kind) {
      return MockJobQueue::Strings(results_[kind]);
    });
    examples_.training = {{MakeImage(1), std::vector<domain::Box>(1)}};
    trained_.weights_sha256 = "weights";
    trained_.class_ap50 = {0.5, 0.25};
    trained_.map50 = 0.375;
    domain::ImageSignals undecodable;
    undecodable.image_key = 4;
    undecodable.error = "truncated";
    // Out of order, as workers finish.
    results_[JobKind::kEmbed] = {Put(SerializeSignals({MakeSignals(3, 0.9), MakeSignals(1, 0.9)})),
                                 Put(SerializeSignals({MakeSignals(2, 0.1), undecodable}))};
    ranked_.queues = {{"random", Put(SerializeQueue({3, 2}))}};
  }

  std::string Put(const absl::StatusOr<std::string>& record) { return *artifacts_.Put(*record); }
  StageContext Stage() {
    trained_.inputs.examples_sha256 = Put(SerializeExamples(examples_));
    results_[JobKind::kTrain] = {*SerializeTrained(trained_)};
    results_[JobKind::kSelector] = {*SerializeRankedPool(ranked_)};
    return {ports_, job_, cycle_, progress_};
  }
  // The table of the cycle, with as many entries.
  void AddTable(size_t entries) {
    domain::SelectionRuntime::TableResult table;
    for (size_t i = 0; i < entries; ++i) {
      table.cells.push_back(static_cast<int>(i));
      table.entries.push_back("entry " + std::to_string(i));
      table.expected_gain.push_back({0.5f});
    }
    TableParts parts;
    parts.table.table = "table";
    parts.table.report.cells = 3;
    parts.images = {Put(SerializeTableImages(table, 0, 1)),
                    Put(SerializeTableImages(table, 1, entries))};
    results_[JobKind::kTable] = {Put(SerializeTable(parts))};
  }
  // A snapshot before, of a detector that was trained on image 2 and saw image 1 unlabeled.
  void AddPrevious(bool cold_start) {
    Manifest manifest;
    manifest.signals = {Put(SerializeSignals({MakeSignals(1, 0.5), MakeSignals(3, 0.5)}))};
    manifest.examples_sha256 = Put(SerializeExamples({{{MakeImage(2), {}}}, {}}));
    manifest.cold_start = cold_start;
    manifest.realized = {{"earlier", {0.125}}};
    PreviousSnapshot previous;
    previous.manifest_sha256 = Put(SerializeManifest(manifest));
    previous.class_ap50 = {0.25, 0.25};
    previous.map50 = 0.25;
    trained_.inputs.previous = previous;
  }

  testing::NiceMock<test::MockPoolStore> pools_;
  test::TemporaryArtifactStore artifacts_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  testing::NiceMock<MockJobQueue> jobs_;
  CyclePorts ports_;
  domain::JobLease job_;
  domain::CycleStore::CycleContext cycle_;
  domain::Progress progress_;
  std::map<JobKind, std::vector<std::string>> results_;
  CycleExamples examples_;
  TrainedCycle trained_;
  RankedPool ranked_;
};

TEST_F(StagesTest, ThePoolIsSortedAndSplitByLabels) {
  const EmbeddedPool pool = *LoadPool(Stage(), examples_);
  ASSERT_EQ(pool.candidates.size(), 2u);  // without the undecodable one
  EXPECT_EQ(pool.candidates[0].image_key, 2);
  EXPECT_EQ(pool.candidates[1].image_key, 3);
  ASSERT_EQ(pool.labeled.size(), 1u);
  EXPECT_EQ(pool.labeled[0].image_key, 1);
}

TEST_F(StagesTest, RevealedAreTheImagesThatGotLabelsSinceTheSnapshotBefore) {
  EXPECT_THAT(LoadRevealed(Stage(), trained_, examples_)->signals, IsEmpty());
  AddPrevious(false);
  RevealedImages revealed = *LoadRevealed(Stage(), trained_, examples_);
  ASSERT_EQ(revealed.signals.size(), 1u);
  EXPECT_EQ(revealed.signals[0].image_key, 1);
  EXPECT_EQ(revealed.previously_labeled.at(0).image.key, 2);
  EXPECT_EQ(revealed.realized.at(0).signals_sha256, "earlier");
  // An untrained detector saw nothing.
  AddPrevious(true);
  revealed = *LoadRevealed(Stage(), trained_, examples_);
  EXPECT_THAT(revealed.signals, IsEmpty());
  EXPECT_EQ(revealed.realized.size(), 1u);
}

TEST_F(StagesTest, LabelsOfAClassThatThePoolDoesNotHaveAreDataLoss) {
  examples_.training[0].boxes[0].class_index = 2;
  const StageContext stage = Stage();
  EXPECT_TRUE(absl::IsDataLoss(LoadExamples(stage, *LoadTrained(stage)).status()));
}

TEST_F(StagesTest, APlanWithoutCandidatesGoesOnToTheSelector) {
  results_[JobKind::kEmbed] = {Put(SerializeSignals({MakeSignals(1, 0.9)}))};
  const StageOutcome outcome = *RunPlan(Stage());
  ASSERT_EQ(outcome.next.size(), 1u);
  EXPECT_EQ(outcome.next[0].kind, JobKind::kSelector);
  EXPECT_EQ(outcome.result, "");
}

TEST_F(StagesTest, AProbeThatThePlanDoesNotHaveIsDataLoss) {
  results_[JobKind::kPlan] = {Put(SerializePlan({}))};
  EXPECT_TRUE(absl::IsDataLoss(RunProbe(Stage()).status()));
}

TEST_F(StagesTest, PublishesQueuesImagesAndTheTable) {
  AddTable(2);
  ranked_.selector_sha256 = "selector";
  ranked_.selector_gain = 0.5;
  const StageOutcome outcome = *RunPublish(Stage());
  ASSERT_TRUE(outcome.snapshot.has_value());
  ASSERT_EQ(outcome.snapshot->images.size(), 2u);
  EXPECT_EQ(outcome.snapshot->images[0].image_key, 2);
  EXPECT_THAT(outcome.snapshot->images[0].predictions, IsEmpty());  // too unsure to be shown
  EXPECT_EQ(outcome.snapshot->images[1].predictions.size(), 1u);
  EXPECT_EQ(outcome.snapshot->images[1].entry, "entry 1");
  EXPECT_EQ(outcome.snapshot->images[1].cell, 1);
  ASSERT_EQ(outcome.snapshot->queues.size(), 1u);
  EXPECT_THAT(outcome.snapshot->queues[0].image_keys, ElementsAre(3, 2));
  EXPECT_EQ(outcome.snapshot->table, "table");
  EXPECT_EQ(outcome.snapshot->report->cells, 3);
  EXPECT_EQ(outcome.snapshot->report->selector_gain, 0.5);
  EXPECT_EQ(outcome.snapshot->selector_sha256, "selector");
  EXPECT_EQ(outcome.snapshot->note, "");
  const Manifest manifest = *ParseManifest(*artifacts_.Get(outcome.snapshot->manifest_sha256));
  EXPECT_EQ(manifest.signals, results_[JobKind::kEmbed]);
}

TEST_F(StagesTest, PublishesWhatTheLabelsSinceTheSnapshotBeforeBrought) {
  AddPrevious(false);
  domain::Batch batch;
  batch.batch_id = "7";
  batch.images.resize(1);
  batch.images[0].image_key = 1;
  batch.images[0].state = domain::ImageState::kLabeled;
  EXPECT_CALL(cycles_, BatchesSincePublished(_))
      .WillOnce(Return(std::vector<domain::Batch>{batch}));
  const StageOutcome outcome = *RunPublish(Stage());
  const Manifest manifest = *ParseManifest(*artifacts_.Get(outcome.snapshot->manifest_sha256));
  ASSERT_EQ(manifest.realized.size(), 2u);
  EXPECT_THAT(manifest.realized[1].class_gain, ElementsAre(0.25, 0));
  EXPECT_EQ(ParseSignals(*artifacts_.Get(manifest.realized[1].signals_sha256))->at(0).image_key, 1);
}

TEST_F(StagesTest, PublishRemovesTheCyclesOwnWorkFolder) {
  ASSERT_TRUE(artifacts_.WorkFolder(WorkFolderName("work-id")).ok());
  ASSERT_TRUE(artifacts_.WorkFolder(WorkFolderName("other")).ok());
  ASSERT_TRUE(RunPublish(Stage()).ok());
  EXPECT_THAT(*artifacts_.WorkFolders(), ElementsAre("cycle-other"));
}

TEST_F(StagesTest, WhatDoesNotFitTogetherIsNotPublished) {
  AddTable(3);  // the pool has two candidates
  EXPECT_TRUE(absl::IsDataLoss(RunPublish(Stage()).status()));
  results_.erase(JobKind::kTable);
  results_[JobKind::kEmbed][0] = std::string(64, '0');
  EXPECT_TRUE(absl::IsDataLoss(RunPublish(Stage()).status()));
}

TEST(WorkFolderTest, SweepsThoseOfNoCycleThatRuns) {
  test::TemporaryArtifactStore artifacts;
  testing::NiceMock<test::MockCycleStore> cycles;
  for (const char* name : {"cycle-3", "cycle-live", "cycle-ended", "something-else"}) {
    ASSERT_TRUE(artifacts.WorkFolder(name).ok());
  }
  EXPECT_CALL(cycles, LiveWorkIds()).WillOnce(Return(std::vector<std::string>{"live"}));
  EXPECT_TRUE(SweepWorkFolders(&cycles, &artifacts).ok());
  EXPECT_THAT(*artifacts.WorkFolders(),
              testing::UnorderedElementsAre("cycle-live", "something-else"));
  // Without the database it is not known which they are.
  EXPECT_CALL(cycles, LiveWorkIds()).WillOnce(Return(absl::UnavailableError("no database")));
  EXPECT_FALSE(SweepWorkFolders(&cycles, &artifacts).ok());
  EXPECT_EQ(artifacts.WorkFolders()->size(), 2u);
}

}  // namespace
}  // namespace mgral::cycle
