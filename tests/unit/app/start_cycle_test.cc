#include "server/app/start_cycle.h"

#include <gtest/gtest.h>

#include "server/base/errors.h"
#include "tests/support/fake_pool_store.h"

namespace mgral::app {
namespace {

// Starts every cycle that it is asked for; all else is UNIMPLEMENTED.
class FakeCycleStore : public domain::CycleStore {
 public:
  absl::StatusOr<domain::Cycle> StartCycle(int64_t, bool, const domain::RequestKey&) override {
    ++started;
    return domain::Cycle();
  }
  absl::StatusOr<domain::Cycle> GetCycle(int64_t, const std::string&) override { return No(); }
  absl::StatusOr<domain::Page<domain::Cycle>> ListCycles(int64_t,
                                                         const domain::PageRequest&) override {
    return No();
  }
  absl::StatusOr<domain::Cycle> WaitForChange(int64_t, const std::string&, int64_t,
                                              absl::Duration) override {
    return No();
  }
  absl::StatusOr<domain::Cycle> CancelCycle(int64_t, const std::string&) override { return No(); }
  absl::StatusOr<CycleContext> ContextOf(const domain::JobLease&) override { return No(); }
  absl::StatusOr<CycleContext> FixInputs(const domain::JobLease&, const std::string&) override {
    return No();
  }
  absl::StatusOr<std::vector<std::string>> LiveWorkIds() override { return No(); }
  absl::Status LeaveOut(const domain::JobLease&,
                        const std::vector<domain::LeftOutImage>&) override {
    return No();
  }
  absl::StatusOr<domain::Model> RecordModel(const domain::JobLease&, const TrainedModel&) override {
    return No();
  }
  absl::Status KeepArtifacts(const domain::JobLease&, const std::vector<std::string>&) override {
    return No();
  }
  absl::Status Publish(const domain::JobLease&, const Snapshot&, double) override { return No(); }
  absl::StatusOr<std::optional<Published>> PublishedSnapshot(int64_t) override { return No(); }
  absl::StatusOr<std::vector<domain::Batch>> BatchesSincePublished(int64_t) override {
    return No();
  }
  absl::StatusOr<std::vector<domain::Batch>> RealizedBatches(int64_t) override { return No(); }
  absl::StatusOr<domain::Model> GetModel(int64_t, int64_t) override { return No(); }
  absl::StatusOr<domain::Page<domain::Model>> ListModels(int64_t,
                                                         const domain::PageRequest&) override {
    return No();
  }
  int started = 0;

 private:
  static absl::Status No() { return absl::UnimplementedError(""); }
};

class StartCycleTest : public ::testing::Test {
 protected:
  std::string Start() {
    const auto cycle = StartCycle(&pools_, &cycles_, domain::Pool(), false, {});
    return cycle.ok() ? "started" : base::Reason(cycle.status());
  }
  void AddLabeled(domain::ImageUse use) {
    domain::PoolStore::LabeledImage labeled;
    labeled.image.key = static_cast<int64_t>(pools_.labeled.size()) + 1;
    labeled.image.use = use;
    pools_.labeled.push_back(labeled);
  }
  test::FakePoolStore pools_;
  FakeCycleStore cycles_;
};

TEST_F(StartCycleTest, AnEmptyPoolCannot) {
  EXPECT_EQ(Start(), "POOL_EMPTY");
  pools_.Add("v", {}, 1, 1, domain::ImageUse::kValidation);
  AddLabeled(domain::ImageUse::kValidation);
  EXPECT_EQ(Start(), "POOL_EMPTY");
  EXPECT_EQ(cycles_.started, 0);
}

TEST_F(StartCycleTest, WithoutLabelsItIsAColdStart) {
  pools_.Add("a", {}, 1, 1);
  EXPECT_EQ(Start(), "started");
}

TEST_F(StartCycleTest, LabelsNeedSomethingToMeasureWith) {
  AddLabeled(domain::ImageUse::kTraining);
  EXPECT_EQ(Start(), "NO_VALIDATION");
  AddLabeled(domain::ImageUse::kValidation);
  EXPECT_EQ(Start(), "started");
}

}  // namespace
}  // namespace mgral::app
