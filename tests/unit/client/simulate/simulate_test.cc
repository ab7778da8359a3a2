#include "client/cpp/simulate/simulate.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "client/cpp/report/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/simulate_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

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
    // No table for random, nor for the last detector, which is only measured. The first detector
    // is mgral's, whose snapshot picks random's first batch, too.
    EXPECT_EQ(pool.without_table, run.strategy == "mgral" ? std::vector<bool>({false, false, true})
                                                          : std::vector<bool>({true, true}));
  }
  for (const size_t mgral : {0, 2}) {
    const FakePool& first = *service_.pools()[mgral];
    const std::vector<std::string>& labels = service_.pools()[mgral + 1]->first_labels;
    EXPECT_EQ(first.queries, std::vector<std::string>({"random", "mgral", "mgral"}));
    EXPECT_EQ(first.released.size(), 1u);
    ASSERT_EQ(first.first_labels.size(), 6u);
    ASSERT_EQ(labels.size(), 10u);
    EXPECT_TRUE(std::equal(first.first_labels.begin(), first.first_labels.end(), labels.begin()));
  }
  EXPECT_NE(service_.pools()[0]->first_labels, service_.pools()[2]->first_labels);
  EXPECT_EQ(results->lookup.size(), 4u);
  EXPECT_TRUE(std::filesystem::exists(root_ / "out/report.html"));
}

TEST_F(SimulateTest, PointsHoldWhatWasMeasured) {
  options_.seconds_per_image = 3;
  options_.seconds_per_box = 0.5;
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
  EXPECT_DOUBLE_EQ(*results->runs[0].seconds.probe, 14);
  EXPECT_EQ(results->runs[0].seconds.embed, std::nullopt);
  EXPECT_DOUBLE_EQ(*points[0].seconds, 9);
  double boxes = 0;
  for (const std::string& image_id : service_.pools()[0]->first_labels) {
    boxes += static_cast<double>(service_.truth[image_id].size());
  }
  EXPECT_DOUBLE_EQ(*points[0].boxes, boxes);  // not those of the validation images
  for (const std::string& image_id : points[1].batch) {
    boxes += static_cast<double>(service_.truth[image_id].size());
  }
  EXPECT_DOUBLE_EQ(*points[1].boxes, boxes);
  EXPECT_DOUBLE_EQ(*points[1].cost, 3 * 10 + 0.5 * boxes);
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

TEST_F(SimulateTest, StrategiesWithoutATableShareTheFirstPoint) {
  options_.strategies = {"random", "lookup_greedy", "entropy"};
  options_.seeds = {1};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(service_.pools().size(), 3u);
  EXPECT_EQ(service_.pools()[0]->pool.selection().strategy(), "lookup_greedy");
  EXPECT_EQ(StrategyNames(*results), options_.strategies);
  for (const StrategyRun& run : results->runs) {
    ASSERT_EQ(run.points.size(), 3u) << run.strategy;
    EXPECT_EQ(run.points[0].labels, 6);
    EXPECT_EQ(run.points[0].map50, results->runs[0].points[0].map50);
    EXPECT_EQ(run.points[0].boxes, results->runs[0].points[0].boxes);
    EXPECT_EQ(run.points[1].labels, 10);
    EXPECT_EQ(run.points[1].batch.size(), 4u);
    EXPECT_EQ(run.points[1].strategy_used, run.strategy);
    EXPECT_TRUE(run.points[1].realized_gain.has_value());
    EXPECT_EQ(run.points[2].labels, 14);
    EXPECT_DOUBLE_EQ(*run.seconds.train, 6);  // as if each had trained alone, without a table
    EXPECT_DOUBLE_EQ(*run.points[0].seconds, run.strategy == "lookup_greedy" ? 9 : 2);
  }
}

TEST_F(SimulateTest, VariantsArePlayedUnderTheirLabels) {
  options_.strategies = {"random", "prior", "mgral"};
  options_.variants = {{"prior", {"mgral", -1, {}}}};
  options_.seeds = {1};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(service_.pools().size(), 3u);
  // The variant has a table, and so hosts the first cycle of random.
  EXPECT_EQ(service_.pools()[0]->pool.selection().replay_probes(), -1);
  EXPECT_EQ(service_.pools()[0]->queries, std::vector<std::string>({"random", "mgral", "mgral"}));
  EXPECT_EQ(service_.pools()[0]->without_table, std::vector<bool>({false, false, true}));
  EXPECT_EQ(service_.pools()[1]->first_labels.size(), 10u);
  EXPECT_EQ(service_.pools()[2]->pool.selection().replay_probes(), 0);
  EXPECT_EQ(service_.pools()[2]->without_table.size(), 3u) << "another table: nothing to share";
  EXPECT_EQ(StrategyNames(*results), options_.strategies);
  EXPECT_EQ(results->lookup[0].strategy, "prior");
  EXPECT_EQ(SpecOf(*Written(), "prior"), "mgral:replay_probes=-1");
  EXPECT_EQ(StrategyOf(*Written(), "prior"), "mgral");
}

TEST_F(SimulateTest, AStrategyThatTrainsItselfAnywayIsTheFirst) {
  options_.strategies = {"random", "max_herding", "entropy"};
  options_.seeds = {1};
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.pools()[0]->pool.selection().strategy(), "max_herding");
  EXPECT_EQ(service_.pools()[0]->without_table.size(), 3u);
  EXPECT_EQ(service_.pools()[1]->without_table.size(), 2u);
}

TEST_F(SimulateTest, AStrategyThatTheSnapshotCannotAnswerTrainsItself) {
  options_.strategies = {"random", "entropy"};
  options_.seeds = {1};
  service_.unknown_strategy = "entropy";
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.pools()[1]->first_labels.size(), 6u);
  EXPECT_EQ(service_.pools()[1]->without_table.size(), 3u);
}

TEST_F(SimulateTest, WarmStartsShareNothing) {
  options_.strategies = {"random", "entropy"};
  options_.seeds = {1};
  options_.warm_start = true;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.pools()[1]->without_table.size(), 3u);
}

TEST_F(SimulateTest, NoCyclesMeasureTheInitialLabelsAlone) {
  options_.strategies = {"random"};
  options_.seeds = {1};
  options_.cycles = 0;
  options_.initial = static_cast<int>(dataset_.splits->train.size());
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->runs[0].points.size(), 1u);
  EXPECT_EQ(results->runs[0].points[0].labels, options_.initial);
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
  EXPECT_TRUE(std::filesystem::exists(root_ / "out/report.html"));
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
  EXPECT_FALSE(std::filesystem::exists(root_ / "out"));
}

}  // namespace
}  // namespace mgral::client
