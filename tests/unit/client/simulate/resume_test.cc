#include "client/cpp/simulate/resume.h"

#include <fstream>

#include "client/cpp/report/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/simulate/simulate_fixture.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ResumeTest : public SimulateTest {
 protected:
  void SetUp() override {
    SimulateTest::SetUp();
    options_.resume = true;
  }
  std::string Refusal() { return std::string(Run().status().message()); }
};

TEST_F(ResumeTest, FinishedRunsAreKeptAndABrokenOneStartsAnew) {
  options_.seeds = {1};
  service_.fail_at_cycle = 2;  // random has two cycles of its own, and mgral three
  ASSERT_FALSE(Run().ok());
  ASSERT_FALSE(Written()->runs[0].complete);
  ASSERT_EQ(Written()->lookup.size(), 2u);
  service_.fail_at_cycle = -1;
  const absl::StatusOr<Results> first = Run();
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->runs.size(), 2u);
  EXPECT_EQ(first->lookup.size(), 2u);
  const size_t pools = service_.pools().size();
  EXPECT_EQ(pools, 3u);
  const absl::StatusOr<Results> again = Run();  // nothing is left to do
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(service_.pools().size(), pools);
  EXPECT_EQ(ResultsToJson(*again), ResultsToJson(*first));
}

TEST_F(ResumeTest, StrategiesAndSeedsMayBeAdded) {
  options_.seeds = {1};
  ASSERT_TRUE(Run().ok());
  options_.strategies = {"entropy", "random"};
  options_.seeds = {1, 2};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(results->runs.size(), 5u);
  EXPECT_THAT(StrategyNames(*results), ElementsAre("mgral", "random", "entropy"));
  EXPECT_EQ(results->protocol["seeds"], nlohmann::ordered_json({1, 2}));
  EXPECT_EQ(results->protocol["profile"], "frozen");
  EXPECT_EQ(service_.pools().back()->pool.detector().profile(), "frozen");
}

TEST_F(ResumeTest, CostsFollowTheNewRates) {
  options_.seeds = {1};
  options_.strategies = {"random"};
  ASSERT_TRUE(Run().ok());
  options_.seconds_per_image = 0;
  options_.seconds_per_box = 7;
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  for (const CurvePoint& point : results->runs[0].points) {
    EXPECT_DOUBLE_EQ(*point.cost, 7 * *point.boxes);
  }
  EXPECT_EQ(results->protocol["seconds_per_box"], 7);
}

TEST_F(ResumeTest, OtherRatesAreRefusedWhereATableChoseByThem) {
  options_.seeds = {1};
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(service_.pools()[0]->pool.selection().seconds_per_image(), 2);
  EXPECT_EQ(service_.pools()[0]->pool.selection().seconds_per_box(), 1);
  options_.seconds_per_box = 7;
  EXPECT_THAT(Refusal(), HasSubstr("seconds_per_box 1"));
}

TEST_F(ResumeTest, AnotherProtocolIsRefusedByName) {
  options_.seeds = {1};
  options_.strategies = {"random"};
  ASSERT_TRUE(Run().ok());
  const SimulateOptions before = options_;
  options_.batch = 5;
  EXPECT_THAT(Refusal(), HasSubstr("batch_size 4, not 5"));
  options_ = before;
  options_.profile = "tiny";
  EXPECT_THAT(Refusal(), HasSubstr("profile \"frozen\", not \"tiny\""));
  options_ = before;
  dataset_.name = "another";
  EXPECT_THAT(Refusal(), HasSubstr("dataset"));
  EXPECT_EQ(service_.pools().size(), 1u);
  std::ofstream(root_ / "out/results.json") << "{half";
  EXPECT_THAT(Refusal(), HasSubstr("not JSON"));
}

TEST_F(ResumeTest, ALabelOfAnotherVariantIsRefused) {
  options_.seeds = {1};
  options_.strategies = {"few", "random"};
  options_.variants = {{"few", {"mgral", 8, {}}}};
  ASSERT_TRUE(Run().ok());
  options_.variants = {{"few", {"mgral", 9, {}}}};
  EXPECT_THAT(Refusal(), HasSubstr("strategy few \"mgral:replay_probes=8\", not"));
  options_.variants.clear();  // a strategy of that name
  EXPECT_THAT(Refusal(), HasSubstr("not \"few\""));
  options_.strategies = {"random"};
  options_.seconds_per_box = 7;
  EXPECT_THAT(Refusal(), HasSubstr("seconds_per_box")) << "the variant's table chose by the rates";
}

TEST_F(ResumeTest, VariantsMayBeAdded) {
  options_.seeds = {1};
  options_.strategies = {"few", "random"};
  options_.variants = {{"few", {"mgral", 8, {}}}};
  ASSERT_TRUE(Run().ok());
  options_.strategies = {"more", "random"};
  options_.variants = {{"more", {"mgral", 32, {}}}};
  const absl::StatusOr<Results> results = Run();
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT(StrategyNames(*results), ElementsAre("few", "random", "more"));
  EXPECT_EQ(SpecOf(*results, "few"), "mgral:replay_probes=8");
  EXPECT_EQ(SpecOf(*results, "more"), "mgral:replay_probes=32");
}

TEST_F(ResumeTest, WithoutResultsItStarts) {
  options_.seeds = {1};
  options_.strategies = {"random"};
  EXPECT_TRUE(Run().ok());
}

}  // namespace
}  // namespace mgral::client
