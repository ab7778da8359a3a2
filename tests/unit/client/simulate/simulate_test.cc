#include "client/cpp/simulate/simulate.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "client/cpp/synth/synth.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/fake_service.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class SimulateTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() / ("mgral-simulate-" + std::to_string(getpid()) + "-" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    SynthOptions synth;
    synth.folder = (root_ / "data").string();
    synth.images = 60;
    synth.size = 64;
    ASSERT_TRUE(WriteSynthDataset(synth, nullptr).ok());
    dataset_ = *ReadDataset(synth.folder);
    for (const DatasetImage& image : dataset_.images) {
      const v1::NewLabels labels = ToNewLabels(dataset_, image);
      service_.truth[image.image_id].assign(labels.boxes().begin(), labels.boxes().end());
    }
    options_.dataset = synth.folder;
    options_.out = (root_ / "out").string();
    options_.initial = 6;
    options_.batch = 4;
    options_.cycles = 2;
    options_.seeds = {1, 2};
  }
  void TearDown() override { fs::remove_all(root_); }

  absl::StatusOr<Results> Run() {
    ClientOptions client_options;
    client_options.target = service_.target();
    Client client(client_options);
    ProgressOptions silent;
    silent.style = ProgressOptions::Style::kSilent;
    ProgressBar progress("simulating", 0, "cycles", silent);
    return Simulate(client, dataset_, options_, progress);
  }

  absl::StatusOr<Results> Written() { return ReadResults((root_ / "out/results.json").string()); }

  fs::path root_;
  FakeService service_;
  Dataset dataset_;
  SimulateOptions options_;
};

TEST_F(SimulateTest, PlaysEveryStrategyWithEverySeedFromTheSameLabels) {
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->runs.size(), 4u);
  ASSERT_EQ(service_.pools().size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const StrategyRun& run = results->runs[i];
    const FakePool& pool = *service_.pools()[i];
    EXPECT_EQ(run.strategy, i % 2 == 0 ? "mgral" : "random");
    EXPECT_EQ(run.seed, i < 2 ? 1 : 2);
    EXPECT_TRUE(run.complete);
    EXPECT_TRUE(pool.deleted);
    EXPECT_EQ(pool.pool.selection().seed(), run.seed);
    EXPECT_EQ(pool.pool.selection().strategy(), run.strategy);
    EXPECT_EQ(pool.first_labels.size(), 6u);
    // No table for random, nor for the last detector, which is only measured.
    EXPECT_EQ(pool.without_table, run.strategy == "mgral" ? std::vector<bool>({false, false, true})
                                                          : std::vector<bool>({true, true, true}));
  }
  EXPECT_EQ(service_.pools()[0]->first_labels, service_.pools()[1]->first_labels);
  EXPECT_EQ(service_.pools()[2]->first_labels, service_.pools()[3]->first_labels);
  EXPECT_NE(service_.pools()[0]->first_labels, service_.pools()[2]->first_labels);
  EXPECT_EQ(results->lookup.size(), 4u);
  EXPECT_TRUE(fs::exists(root_ / "out/report.html"));
}

TEST_F(SimulateTest, PointsHoldWhatWasMeasured) {
  options_.strategies = {"mgral"};
  options_.seeds = {1};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  const std::vector<CurvePoint>& points = results->runs[0].points;
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0].labels, 6);
  EXPECT_EQ(points[1].labels, 10);
  EXPECT_EQ(points[2].labels, 14);
  EXPECT_DOUBLE_EQ(*points[0].map50, 0);
  EXPECT_DOUBLE_EQ(*points[1].map50, 1);
  EXPECT_DOUBLE_EQ(*points[1].map, 1);
  EXPECT_DOUBLE_EQ(*points[1].test_gain, 1);
  EXPECT_EQ(points[0].estimated_gain, std::nullopt);
  EXPECT_EQ(points[0].realized_gain, std::nullopt);
  EXPECT_TRUE(points[0].batch.empty());
  EXPECT_DOUBLE_EQ(*points[1].estimated_gain, 0.02);
  EXPECT_DOUBLE_EQ(*points[1].estimated_gain_se, 0.01);
  EXPECT_DOUBLE_EQ(*points[1].realized_gain, 0.03);
  EXPECT_EQ(points[1].batch.size(), 4u);
  EXPECT_EQ(points[1].picks[0].reason, "first in order");
  EXPECT_DOUBLE_EQ(*results->runs[0].seconds.train, 6);
  EXPECT_TRUE(results->runs[0].seconds.query.has_value());
  EXPECT_EQ(results->runs[0].seconds.probe, std::nullopt);
  EXPECT_EQ(ResultsToJson(*Written())["runs"], ResultsToJson(*results)["runs"]);
}

TEST_F(SimulateTest, LabelsAreTheDatasetsAndTestImagesStayUnknown) {
  options_.strategies = {"random"};
  options_.seeds = {1};
  ASSERT_TRUE(Run().ok());
  const FakePool& pool = *service_.pools()[0];
  for (int position : dataset_.splits->test) {
    EXPECT_EQ(pool.images.count(dataset_.images[position].image_id), 0u);
  }
  for (int position : dataset_.splits->validation) {
    const std::string& image_id = dataset_.images[position].image_id;
    EXPECT_EQ(pool.images.at(image_id), v1::IMAGE_USE_VALIDATION);
    EXPECT_EQ(pool.labels.at(image_id).use(), v1::IMAGE_USE_VALIDATION);
  }
  for (const auto& [image_id, labels] : pool.labels) {
    EXPECT_EQ(labels.boxes_size(), static_cast<int>(service_.truth[image_id].size()));
  }
}

TEST_F(SimulateTest, AnEmptyPoolEndsTheRun) {
  options_.strategies = {"random"};
  options_.seeds = {1};
  options_.batch = 25;
  options_.cycles = 9;
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  const StrategyRun& run = results->runs[0];
  EXPECT_TRUE(run.complete);
  EXPECT_EQ(run.points.back().labels, static_cast<int64_t>(dataset_.splits->train.size()));
  EXPECT_LT(run.points.size(), 9u);
}

TEST_F(SimulateTest, AFailedCycleEndsItWithTheReasonAndKeepsTheData) {
  service_.fail_at_cycle = 1;
  const absl::Status status = Run().status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the disk is full"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("mgral, seed 1, 10 labels"));
  const absl::StatusOr<Results> written = Written();
  ASSERT_TRUE(written.ok()) << written.status();
  ASSERT_EQ(written->runs.size(), 1u);
  EXPECT_FALSE(written->runs[0].complete);
  EXPECT_EQ(written->runs[0].points.size(), 1u);
  EXPECT_TRUE(fs::exists(root_ / "out/report.html"));
}

TEST_F(SimulateTest, ARefusedImageIsNamed) {
  service_.refuse_image = dataset_.images[dataset_.splits->train[3]].image_id;
  const absl::Status status = Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(service_.refuse_image));
  EXPECT_THAT(std::string(status.message()), HasSubstr("truncated"));
}

TEST_F(SimulateTest, NothingIsAskedOfTheServerWhenTheSplitCannotWork) {
  options_.initial = 5000;
  EXPECT_FALSE(Run().ok());
  EXPECT_TRUE(service_.pools().empty());
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

}  // namespace
}  // namespace mgral::client
