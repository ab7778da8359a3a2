#include "server/cycle/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>

#include "server/cycle/work_folder.h"
#include "tests/support/fake_selection_runtime.h"
#include "tests/support/mock_pool_store.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"
#include "tests/unit/cycle/mock_job_queue.h"

namespace mgral::cycle {
namespace {

using domain::JobKind;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Return;

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
class StageHelpersTest : public testing::Test {
 protected:
  StageHelpersTest() {
    ports_.pools = &pools_;
    ports_.cycles = &cycles_;
    ports_.jobs = &jobs_;
    ports_.artifacts = &artifacts_;
    ports_.selection = &selection_;
    cycle_.pool.classes = {"disc", "square"};
    ON_CALL(jobs_, Results(_, _)).WillByDefault([&](int64_t, JobKind kind) {
      return test::MockJobQueue::Strings(results_[kind]);
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
  }

  std::string Put(const absl::StatusOr<std::string>& record) { return *artifacts_.Put(*record); }
  StageContext Stage() {
    trained_.inputs.examples_sha256 = Put(SerializeExamples(examples_));
    results_[JobKind::kTrain] = {*SerializeTrained(trained_)};
    return {ports_, job_, cycle_, progress_};
  }
  // A snapshot before, of a detector that was trained on image 2.
  void AddPrevious(bool cold_start) {
    Manifest manifest;
    manifest.examples_sha256 = Put(SerializeExamples({{{MakeImage(2), {}}}, {}}));
    manifest.cold_start = cold_start;
    manifest.realized = {{{3, 1}, {0.5}, {0.125}}};
    PreviousSnapshot previous;
    previous.manifest_sha256 = Put(SerializeManifest(manifest));
    previous.class_ap50 = {0.25, 0.25};
    previous.map50 = 0.25;
    trained_.inputs.previous = previous;
  }

  testing::NiceMock<test::MockPoolStore> pools_;
  test::TemporaryArtifactStore artifacts_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  testing::NiceMock<test::MockJobQueue> jobs_;
  test::FakeSelectionRuntime selection_;
  CyclePorts ports_;
  domain::JobLease job_;
  domain::CycleStore::CycleContext cycle_;
  domain::Progress progress_;
  std::map<JobKind, std::vector<std::string>> results_;
  CycleExamples examples_;
  TrainedCycle trained_;
};

TEST_F(StageHelpersTest, ThePoolIsSortedAndSplitByLabels) {
  const EmbeddedPool pool = *LoadEmbeddedPool(Stage(), trained_, examples_);
  ASSERT_EQ(pool.candidates.size(), 2u);  // without the undecodable one
  EXPECT_EQ(pool.candidates[0].image_key, 2);
  EXPECT_EQ(pool.candidates[1].image_key, 3);
  ASSERT_EQ(pool.labeled.size(), 1u);
  EXPECT_EQ(pool.labeled[0].image_key, 1);
}

TEST_F(StageHelpersTest, ImagesThatWentMissingInAllShardsTogetherFailTheCycle) {
  trained_.inputs.images = 4 + 3;
  {
    const StageContext stage = Stage();
    EXPECT_TRUE(
        CheckMissing(stage, *LoadTrained(stage), *LoadEmbeddedPool(stage, trained_, examples_))
            .ok());
  }
  trained_.inputs.images = 4 + 4;
  cycle_.cycle.left_out = {{9, "i9", "no such file"}};
  const StageContext stage = Stage();
  const absl::Status status =
      CheckMissing(stage, *LoadTrained(stage), *LoadEmbeddedPool(stage, trained_, examples_));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(status.message(),
            "4 of 8 images are missing, e.g. image i9: no such file; a cycle tolerates at "
            "most 3 missing images");
}

TEST_F(StageHelpersTest, NewlyLabeledAreTheImagesThatGotLabelsSinceTheSnapshotBefore) {
  EXPECT_THAT(LoadLabelHistory(Stage(), trained_, examples_)->newly_labeled, IsEmpty());
  AddPrevious(false);
  LabelHistory history = *LoadLabelHistory(Stage(), trained_, examples_);
  EXPECT_THAT(history.newly_labeled, ElementsAre(1));
  EXPECT_THAT(history.realized.at(0).features, ElementsAre(3, 1));
  // An untrained detector knew nothing.
  AddPrevious(true);
  history = *LoadLabelHistory(Stage(), trained_, examples_);
  EXPECT_THAT(history.newly_labeled, IsEmpty());
  EXPECT_EQ(history.realized.size(), 1u);
}

TEST_F(StageHelpersTest, LabelsOfAClassThatThePoolDoesNotHaveAreDataLoss) {
  examples_.training[0].boxes[0].class_index = 2;
  const StageContext stage = Stage();
  EXPECT_TRUE(absl::IsDataLoss(LoadExamples(stage, *LoadTrained(stage)).status()));
}

TEST(WorkFolderTest, SweepsThoseOfNoCycleThatRuns) {
  test::TemporaryArtifactStore artifacts;
  testing::NiceMock<test::MockCycleStore> cycles;
  for (const char* name :
       {"cycle-3", "cycle-live", "cycle-ended", "export-cut-short", "something-else"}) {
    std::filesystem::last_write_time(
        *artifacts.WorkFolder(name),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  }
  // Perhaps that of a cycle that only another copy of the database knows.
  ASSERT_TRUE(artifacts.WorkFolder("cycle-of-today").ok());
  EXPECT_CALL(cycles, LiveWorkIds()).WillOnce(Return(std::vector<std::string>{"live"}));
  EXPECT_TRUE(SweepWorkFolders(&cycles, &artifacts).ok());
  EXPECT_THAT(*artifacts.WorkFolders({}),
              testing::UnorderedElementsAre("cycle-live", "cycle-of-today", "something-else"));
  // Without the database it is not known which they are.
  EXPECT_CALL(cycles, LiveWorkIds()).WillOnce(Return(absl::UnavailableError("no database")));
  EXPECT_FALSE(SweepWorkFolders(&cycles, &artifacts).ok());
  EXPECT_EQ(artifacts.WorkFolders({})->size(), 3u);
}

}  // namespace
}  // namespace mgral::cycle
