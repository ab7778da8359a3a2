#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "server/cycle/stages.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/fake_image_loader.h"
#include "tests/support/fake_selection_runtime.h"
#include "tests/support/mock_pool_store.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"
#include "tests/unit/cycle/mock_job_queue.h"

namespace mgral::cycle {

// The fake, which also keeps what it was asked last, and fails as often as it is told to.
class SeenDetector : public test::FakeDetectorRuntime {
 public:
  using FakeDetectorRuntime::FakeDetectorRuntime;
  absl::StatusOr<TrainResult> Train(const TrainRequest& request,
                                    const domain::Progress& progress) override;
  absl::StatusOr<std::vector<domain::ImageSignals>> Embed(
      const std::string& weights_path, const std::vector<domain::Image>& images,
      const domain::Progress& progress) override;
  absl::StatusOr<ReplayResult> Replay(const ReplayRequest& request,
                                      const domain::Progress& progress) override;

  TrainRequest train;
  ReplayRequest replay;
  std::vector<absl::Status> errors;  // of the next calls, the last one first

 private:
  absl::Status NextError();
};

class SeenSelection : public test::FakeSelectionRuntime {
 public:
  // Every candidate is expected to hold as many objects of a class as the labeled images together.
  absl::Status ExpectObjects(const std::vector<domain::ImageSignals>& labeled,
                             const std::vector<std::vector<float>>& labeled_objects,
                             std::vector<domain::ImageSignals>* candidates) override;
  absl::StatusOr<domain::ProbePlan> PlanProbes(const PlanRequest& request) override;
  absl::StatusOr<TableResult> FitTable(const TableRequest& request) override;
  absl::StatusOr<RankResult> Rank(const RankRequest& request,
                                  const domain::Progress& progress) override;

  std::vector<int64_t> known;  // keys that the last ExpectObjects was given as labeled
  PlanRequest plan;
  TableRequest table;
  std::vector<RankRequest> ranked;
};

// A pool of two classes whose cycles are run job by job, the stages before the one under test too.
// The artifact store is the server's own; the stores of the database are mocks that remember.
class StageTest : public testing::Test {
 protected:
  StageTest();

  // Images have 100 x 50 pixels and are at a location named as they are. Keys grow from 1.
  void AddUnlabeled(const std::string& id);
  void AddLabeled(const std::string& id, domain::ImageUse use = domain::ImageUse::kTraining);
  // Gives it a box of the first class.
  void Label(const std::string& id);
  // Three unlabeled images u1 to u3, a training image t1 and a validation image v1.
  void AddSmallPool();
  // The small pool with the training images t2 to t8, which are enough to be replayed.
  void AddReplayedPool();
  int64_t KeyOf(const std::string& id) { return images_.at(id).key; }
  bool Rejected(const std::string& id) {
    return images_.at(id).state == domain::ImageState::kRejected;
  }

  // Runs one job. What succeeds leaves its result for the stages after it.
  StageResult Run(const domain::NewJob& job);
  StageResult Run(domain::JobKind kind) { return Run({kind, 0, ""}); }
  // Runs the cycle until `stage` comes next; its jobs. Empty if the cycle has no such stage.
  std::vector<domain::NewJob> RunBefore(domain::JobKind stage);
  // Runs a whole cycle, publishes it and makes ready for the next one.
  void RunCycleToEnd();
  // Whose inputs are not fixed yet.
  void BeginAnotherCycle();

  std::string Put(const absl::StatusOr<std::string>& record) { return *artifacts_.Put(*record); }
  // Overwrites an artifact on disk.
  void Damage(const std::string& sha256);
  std::vector<std::string> LeftOut() const;  // ids
  static bool Stop(double) { return false; }

  std::map<std::string, domain::Image> images_;  // of the pool, by id
  testing::NiceMock<test::MockPoolStore> pools_;
  test::FakeImageLoader loader_;
  SeenDetector detector_{&loader_};
  SeenSelection selection_;
  test::TemporaryArtifactStore artifacts_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  testing::NiceMock<test::MockJobQueue> jobs_;
  CyclePorts ports_;
  domain::JobLease job_;
  domain::CycleStore::CycleContext cycle_;
  domain::Progress progress_;
  std::map<domain::JobKind, std::vector<std::string>> results_;  // by shard

  // What the stages told the cycle store.
  std::vector<domain::CycleStore::TrainedModel> models_;
  std::vector<domain::LeftOutImage> left_out_;
  std::vector<std::string> kept_;
  std::optional<domain::CycleStore::Published> published_;

 private:
  void AnswerFromImages();
  void RememberWhatStagesRecord();
};

}  // namespace mgral::cycle
