#include "client/cpp/prior/read_pool.h"

#include <cmath>

#include "client/cpp/report/results.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/temporary_folder.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

// Two runs of two batches that share their first cycle; random has one table, the other's.
Results Simulated() {
  Results results;
  results.dataset = "cards";
  results.protocol["started"] = "2026-11-26T10:00:00Z";
  results.protocol["pool_images"] = 30;
  for (const char* strategy : {"lookup_greedy", "random"}) {
    StrategyRun& run = results.runs.emplace_back();
    run.strategy = strategy;
    run.seed = 3;
    run.complete = true;
    run.points.resize(3);
    run.points[0].labels = 20;
    for (size_t at = 1; at < 3; ++at) {
      run.points[at].test_gain = 0.01 * static_cast<double>(at);
      run.points[at].realized_gain = 0.02;
      if (at == 2 && run.strategy == "random") continue;
      run.points[at].estimated_gain = 0.05;
      run.points[at].estimated_gain_se = 0.03;
    }
  }
  for (const int64_t cycle : {1, 2}) {
    LookupRow& row = results.lookup.emplace_back();
    row.strategy = "lookup_greedy";
    row.seed = 3;
    row.cycle = cycle;
    row.kappa = cycle == 1 ? 0.5 : 0.25;
    row.kappa_standard_deviation = 0.1;
    row.residual_share = 0.4;
    row.level = 3;
    row.weights_fitted = true;
    row.weights = {{"growth", 0.4, 0.1, {0.01, -0.004}, 0.5, 0.2, 0.07},
                   {"coverage", 0.1, 0.1, {-0.004, 0.01}, 0.2, 0.15, {}}};
  }
  return results;
}

class ReadPoolTest : public testing::Test {
 protected:
  absl::StatusOr<SimulatedPool> Read(const Results& results) {
    EXPECT_TRUE(WriteResults(results, folder_.path("results.json")).ok());
    return ReadPool(folder_.path());
  }
  std::string Refusal(const Results& results) {
    const auto pool = Read(results);
    EXPECT_TRUE(absl::IsInvalidArgument(pool.status())) << pool.status();
    return std::string(pool.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(ReadPoolTest, EstimatesAreThoseOfKappaOne) {
  const auto pool = Read(Simulated());
  ASSERT_TRUE(pool.ok()) << pool.status();
  EXPECT_EQ(pool->dataset, "cards");
  EXPECT_EQ(pool->date, "2026-11-26");
  ASSERT_EQ(pool->batches.size(), 3u);
  EXPECT_DOUBLE_EQ(pool->batches[0].estimate, 0.1);
  EXPECT_DOUBLE_EQ(pool->batches[1].estimate, 0.2) << "the second table has another kappa";
  EXPECT_DOUBLE_EQ(pool->batches[2].estimate, 0.1) << "random's, by the table of the other";
  EXPECT_NEAR(pool->batches[0].weight_var, 0.36 - 0.04 - 0.16, 1e-12);
  EXPECT_EQ(*pool->batches[0].validation_gain, 0.02);
  const int detectors[3][2] = {{0, 1}, {1, 2}, {0, 3}};
  for (int b = 0; b < 3; ++b) {
    EXPECT_EQ(pool->batches[b].before, detectors[b][0]) << b;
    EXPECT_EQ(pool->batches[b].after, detectors[b][1]) << b;
  }
}

TEST_F(ReadPoolTest, TheLevelIsThatOfRandomBatches) {
  const auto pool = Read(Simulated());
  ASSERT_TRUE(pool.ok()) << pool.status();
  EXPECT_EQ(pool->random_gain, (std::vector<double>{0.07, 0}));
  EXPECT_DOUBLE_EQ(pool->log_images, std::log(1.5)) << "10 candidates beside 20 labeled images";
  PriorValues same;
  same.weight = {0.5, 0.2};
  same.shared_sd = {0.2, 0.15};
  EXPECT_NEAR(Rescale(*pool, same), std::sqrt(std::log(1.5) / (0.4 * 0.07)), 1e-9);
}

TEST_F(ReadPoolTest, WhatTheProbesSayIsWhatThePriorDidNot) {
  const auto pool = Read(Simulated());
  ASSERT_TRUE(pool.ok()) << pool.status();
  const auto [weights, covariance] = Posterior(*pool, {0.5, 0.2}, {0.2, 0.15});
  EXPECT_NEAR(weights[0], 0.4, 1e-9);
  EXPECT_NEAR(weights[1], 0.1, 1e-9);
  EXPECT_NEAR(covariance(0, 1), -0.004, 1e-12);
  EXPECT_NEAR(covariance(1, 1), 0.01, 1e-12);
  Results harmful = Simulated();
  harmful.lookup[0].weights[1].weight = -0.1;
  const auto with_zero = Read(harmful);
  ASSERT_TRUE(with_zero.ok()) << with_zero.status();
  EXPECT_EQ(with_zero->weights[1], 0) << "as in the table";
  EXPECT_NEAR(with_zero->weights[0], 0.4 - 0.04, 1e-9) << "by its regression on the other";
  Results noise = Simulated();
  noise.lookup[0].weights_fitted = false;
  const auto without = Read(noise);
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_TRUE(without->pull.empty());
}

TEST_F(ReadPoolTest, WhatIsMissingIsNamed) {
  EXPECT_FALSE(ReadPool(folder_.path("nothing")).ok());
  Results results = Simulated();
  results.lookup.clear();
  EXPECT_THAT(Refusal(results), HasSubstr("results.json: lookup: no cycle had a table"));
  results = Simulated();
  results.lookup[0].weights.clear();
  EXPECT_THAT(Refusal(results), HasSubstr("has no weights"));
  results = Simulated();
  results.lookup[0].weights[1].feature = "size";
  EXPECT_THAT(Refusal(results), HasSubstr("other features"));
  results = Simulated();
  results.lookup[0].weights[1].covariance.pop_back();
  EXPECT_THAT(Refusal(results), HasSubstr("covariance"));
  results = Simulated();
  results.lookup[0].weights[0].covariance = {0, 0};
  EXPECT_THAT(Refusal(results), HasSubstr("singular"));
  results = Simulated();
  results.lookup[0].weights[0].prior_standard_deviation = 0.05;
  EXPECT_THAT(Refusal(results), HasSubstr("wider than the prior"));
  results = Simulated();
  results.lookup[0].level = {};
  EXPECT_THAT(Refusal(results), HasSubstr("lookup.level"));
  results = Simulated();
  results.protocol["pool_images"] = 20;
  EXPECT_THAT(Refusal(results), HasSubstr("protocol.pool_images"));
  results = Simulated();
  results.runs[0].points[0].labels = 0;
  EXPECT_THAT(Refusal(results), HasSubstr("runs.points.labels"));
  results = Simulated();
  results.runs[1].seed = 4;
  EXPECT_THAT(Refusal(results), HasSubstr("several seeds"));
  results = Simulated();
  for (StrategyRun& run : results.runs) run.complete = false;
  EXPECT_THAT(Refusal(results), HasSubstr("no finished one"));
  results = Simulated();
  results.dataset.clear();
  EXPECT_THAT(Refusal(results), HasSubstr("dataset"));
}

}  // namespace
}  // namespace mgral::client
