#include "client/cpp/prior/fit_prior.h"

#include "client/cpp/prior/calibration.h"
#include "client/cpp/prior/prior_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/prior/made_pools.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

TEST(FitPriorTest, RecoversWhatThePoolsWereDrawnFrom) {
  const Truth truth;
  const auto fit = FitPrior(MadePools(truth, 30, 10, 1));
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_EQ(fit->informed, 300);
  for (int f = 0; f < 2; ++f) {
    EXPECT_NEAR(fit->values.weight[f], truth.weight[f], 0.03) << f;
    EXPECT_NEAR(fit->values.shared_sd[f], truth.shared_sd[f], 0.03) << f;
  }
  EXPECT_NEAR(fit->values.kappa, truth.kappa, 0.04);
  EXPECT_NEAR(fit->kappa_between_pools, truth.between_pools, 0.05);
  EXPECT_NEAR(fit->kappa_between_datasets, truth.between_datasets, 0.04);
  EXPECT_NEAR(fit->values.kappa_sd, std::hypot(0.05, 0.08), 0.05);
  EXPECT_NEAR(fit->values.realized_noise, 0.03, 0.006);
  EXPECT_GT(fit->values.test_noise, truth.noise) << "the residual is in it";
}

TEST(FitPriorTest, ExactGainsGiveTheExactKappa) {
  Truth truth;
  truth.shared_sd = {0, 0};
  truth.between_datasets = truth.between_pools = truth.noise = truth.residual = 0;
  std::vector<SimulatedPool> pools = MadePools(truth, 3, 5, 2);
  PriorValues old;
  old.weight = kOldWeight;
  old.shared_sd = kOldSd;
  for (SimulatedPool& pool : pools) {
    // Tables that know the weights: the prior of the fit moves none.
    for (double& value : pool.information.values) value *= 1e6;
    for (double& value : pool.pull) value *= 1e6;
    pool.weights = TableWeights(pool);
    const double scale = 0.7 * Rescale(pool, old);
    for (EstimatedBatch& batch : pool.batches) {
      batch.test_gain = *(batch.validation_gain = scale * batch.estimate);
    }
  }
  const auto fit = FitPrior(pools);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_NEAR(fit->values.kappa, 0.7, 1e-3);
  EXPECT_NEAR(fit->kappa_between_pools, 0, 1e-3);
  EXPECT_LT(fit->values.residual_share, 0.05);
  const Calibration calibration = Calibrate(pools, fit->values);
  EXPECT_NEAR(*calibration.slope, 1, 0.01);
  EXPECT_NEAR(*calibration.ratio, 1, 0.01);
  EXPECT_EQ(calibration.batches, 30) << "two first ones of each";
}

// Pools of other datasets than those of the fit.
TEST(FitPriorTest, IntervalsCoverNewPools) {
  double covered = 0, slope = 0;
  constexpr int kFits = 10;
  for (uint64_t seed = 1; seed <= kFits; ++seed) {
    const auto fit = FitPrior(MadePools(Truth(), 5, 12, seed));
    ASSERT_TRUE(fit.ok()) << fit.status();
    const Calibration calibration = Calibrate(MadePools(Truth(), 30, 10, 1000 + seed), fit->values);
    EXPECT_GT(*calibration.coverage, 0.87) << seed;
    covered += *calibration.coverage / kFits;
    slope += *calibration.slope / kFits;
  }
  EXPECT_NEAR(covered, 0.95, 0.03);
  EXPECT_NEAR(slope, 1, 0.1);
}

// Tables hold no negative weights: the prior is that of the best ones without.
TEST(FitPriorTest, AFeatureThatHarmsGetsNoWeight) {
  Truth truth;
  truth.weight = {0.5, -0.2};
  const auto fit = FitPrior(MadePools(truth, 10, 10, 1));
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_GT(fit->values.weight[1], 0);
  EXPECT_LT(fit->values.weight[1], 0.05);
  EXPECT_NEAR(fit->values.weight[0], 0.5 - 0.9 * 0.2, 0.06) << "coverage is 0.9 of growth";
}

TEST(FitPriorTest, EveryDatasetCountsTheSame) {
  Truth first, second;
  first.between_datasets = second.between_datasets = 0;
  second.weight = {0.2, 0.45};
  second.kappa = 1;
  std::vector<SimulatedPool> pools = MadePools(first, 1, 60, 1);
  for (SimulatedPool& pool : MadePools(second, 1, 6, 2)) {
    pool.dataset = "another";
    pools.push_back(std::move(pool));
  }
  const auto fit = FitPrior(pools);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_NEAR(fit->values.weight[0], 0.3, 0.06);
  EXPECT_NEAR(fit->values.weight[1], 0.35, 0.06);
  EXPECT_NEAR(fit->values.kappa, 0.8, 0.08);
  EXPECT_GT(fit->kappa_between_datasets, 0.15);
}

TEST(FitPriorTest, ADatasetIsJudgedByTheOthers) {
  const std::vector<SimulatedPool> pools = MadePools(Truth(), 5, 12, 3);
  const auto rows = LeaveOneDatasetOut(pools);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 6u);
  EXPECT_EQ(rows->front().dataset, "dataset 0");
  EXPECT_EQ(rows->front().pools, 12);
  EXPECT_EQ(rows->front().batches, 24);
  EXPECT_EQ(rows->back().dataset, "all");
  EXPECT_EQ(rows->back().batches, 120);
  EXPECT_NEAR(*rows->back().slope, 1, 3 * *rows->back().slope_error + 0.1);
  EXPECT_LT(*rows->back().slope_error, 0.3);
  EXPECT_NEAR(*rows->back().coverage, 0.95, 0.06);

  // Its own gains do not matter.
  std::vector<SimulatedPool> other = pools;
  for (SimulatedPool& pool : other) {
    if (pool.dataset != "dataset 0") continue;
    for (EstimatedBatch& batch : pool.batches) batch.test_gain *= 2;
  }
  const auto again = LeaveOneDatasetOut(other);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_DOUBLE_EQ(*again->front().ratio, 2 * *rows->front().ratio);
  EXPECT_TRUE(LeaveOneDatasetOut(MadePools(Truth(), 1, 5, 1))->empty());
}

TEST(FitPriorTest, SaysWhatThePoolsLack) {
  std::vector<SimulatedPool> pools = MadePools(Truth(), 2, 4, 1);
  for (SimulatedPool& pool : pools) pool.pull.clear();
  EXPECT_THAT(std::string(FitPrior(pools).status().message()), HasSubstr("weights"));
  pools = MadePools(Truth(), 2, 4, 1);
  for (SimulatedPool& pool : pools) pool.batches.resize(1);
  EXPECT_THAT(std::string(FitPrior(pools).status().message()), HasSubstr("two batches"));
  pools = MadePools(Truth(), 2, 4, 1);
  for (SimulatedPool& pool : pools) {
    for (EstimatedBatch& batch : pool.batches) batch.test_gain = -batch.estimate;
  }
  EXPECT_THAT(std::string(FitPrior(pools).status().message()), HasSubstr("gained nothing"));
  EXPECT_FALSE(FitPrior({}).ok());
}

TEST(PriorFileTest, HoldsTheValuesAndHowTheyWereMade) {
  const std::vector<SimulatedPool> pools = MadePools(Truth(), 2, 3, 1);
  PriorFit fit;
  fit.informed = 5;
  fit.values = {{0.41237, 0.2}, {0.1, 0.05}, 0.61, 0.13, 0.025, 0.333333};
  Calibration row;
  row.dataset = "cards";
  row.batches = 6;
  row.slope = 0.9;
  row.slope_error = 0.2;
  row.coverage = 0.95;
  const std::string text = PriorFile(pools, fit, {row});
  EXPECT_THAT(text, HasSubstr("6 simulated pools (dataset 0 3, dataset 1 3)"));
  EXPECT_THAT(text, HasSubstr("2026-11-10 to\n// 2026-11-12, of which 5"));
  EXPECT_THAT(text, HasSubstr("//   cards: 6 batches, slope 0.90 ± 0.20, 95 % inside\n"));
  EXPECT_THAT(text, HasSubstr("kWeight = {0.4124, 0.2};\n"));
  EXPECT_THAT(text, HasSubstr("kSharedSd = {0.1, 0.05};\n"));
  EXPECT_THAT(text, HasSubstr("inline constexpr double kResidualShare = 0.3333;\n"));
}

}  // namespace
}  // namespace mgral::client
