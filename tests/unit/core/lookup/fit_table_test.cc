#include "server/core/lookup/fit_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "server/core/lookup/estimate.h"
#include "server/core/lookup/fidelity.h"
#include "server/core/lookup/prior.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

// Random batches of 4 to 20 candidates.
std::vector<std::vector<int64_t>> Batches(int64_t images, int count, uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::vector<int64_t>> out(count);
  for (auto& batch : out) {
    const int64_t size = 4 + random.Below(17);
    for (int64_t i = 0; i < size; ++i) batch.push_back(random.Below(images));
  }
  return out;
}

TEST(FitTableTest, WithoutEvidenceIsThePrior) {
  const PlantedPool pool(60, 3, 5, 2);
  const LookupTable table = FitTable(DescribePool(pool.input));
  CheckTable(table);
  for (int64_t c = 0; c < 3; ++c) {
    for (int f = 0; f < kNumFeatures; ++f) {
      EXPECT_EQ(table.weights[c * kNumFeatures + f], prior::kWeight[f]);
    }
  }
  EXPECT_EQ(table.noise, 0);
  EXPECT_DOUBLE_EQ(table.shared_weights[kCoverage], prior::kWeight[kCoverage]);
  EXPECT_NE(table.level, 1);
  EXPECT_DOUBLE_EQ(table.kappa, table.level * prior::kKappa);
  EXPECT_DOUBLE_EQ(table.kappa_sd, table.level * prior::kKappaSd);
  const Estimate estimate = EstimateGain(table, {0, 1, 2, 3});
  EXPECT_GT(estimate.gain, 0);
  EXPECT_GT(estimate.standard_error, prior::kResidualShare * estimate.gain);
  EXPECT_TRUE(std::isnan(table.fidelity.fidelity));
  EXPECT_EQ(EstimateGain(table, {}).gain, 0);
}

TEST(FitTableTest, NoImagesOneCellOneClass) {
  TableInput empty;
  empty.candidates.classes = 2;
  empty.candidates.dim = 4;
  empty.clustering = ClusterCells({}, 0, 4, 0, 1);
  empty.class_ap = {0.1, 1.0};
  const LookupTable none = FitTable(DescribePool(empty));
  EXPECT_EQ(none.images, 0);
  EXPECT_EQ(EstimateGain(none, {}).gain, 0);
  CheckTable(LookupTable::Parse(none.Serialize()));

  PlantedPool pool(5, 1, 1, 3);
  pool.input.class_ap = {1.0};
  const LookupTable one =
      FitTable(DescribePool(pool.input), pool.Probes(1, 2, {0.5, 0.2}, 0.01, 1));
  EXPECT_TRUE(std::isfinite(EstimateGain(one, {0, 1, 2, 3, 4}).standard_error));
}

TEST(FitTableTest, RecoversAPlantedGainFromNoisyProbes) {
  for (uint64_t seed : {3, 4, 5}) {
    const PlantedPool pool(160, 3, 24, seed);
    LookupTable truth = FitTable(DescribePool(pool.input));
    truth.weights = {0.2, 0.75, 0.25, 0.65, 0.2, 0.7};
    const LookupTable before = FitTable(DescribePool(pool.input));
    const LookupTable after =
        FitTable(DescribePool(pool.input), pool.Probes(8, 12, {0.2, 0.7}, 0.01, seed));
    double error_before = 0, error_after = 0;
    for (const auto& batch : Batches(160, 60, seed)) {
      const double gain = EstimateGain(truth, batch).gain;
      error_before += std::pow(EstimateGain(before, batch).gain - gain, 2);
      error_after += std::pow(EstimateGain(after, batch).gain - gain, 2);
    }
    EXPECT_LT(error_after, 0.5 * error_before) << seed;
    EXPECT_GT(after.fidelity.fidelity, 0.6) << seed;
    EXPECT_EQ(after.fidelity.probes, 96);
    EXPECT_NEAR(after.shared_weights[kGrowth], 0.2, 0.1) << seed;
    EXPECT_NEAR(after.shared_weights[kCoverage], 0.7, 0.2) << seed;
    EXPECT_GT(after.noise, 0) << "not the prior's";
  }
}

// The truth is drawn from the prior itself; kappa and the residual are left out.
TEST(FitTableTest, StandardErrorsCoverTheTruth) {
  int inside = 0, all = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const PlantedPool pool(120, 3, 6, seed);
    LookupTable before = FitTable(DescribePool(pool.input));
    before.kappa_sd = 0;
    const LookupTable truth = Draw(before, seed);
    // Every class has its own weights: one class at a time.
    std::vector<ReplayProbe> probes = pool.Probes(3, 6, {0, 0}, 0.05, seed);
    for (ReplayProbe& probe : probes) {
      for (int64_t cf = 0; cf < 3 * kNumFeatures; ++cf) {
        probe.response[cf / kNumFeatures] += truth.weights[cf] * probe.features[cf];
      }
    }
    LookupTable table = FitTable(DescribePool(pool.input), probes);
    table.kappa = truth.kappa;
    table.kappa_sd = table.residual_share = 0;
    for (const auto& batch : Batches(120, 10, seed)) {
      const Estimate estimate = EstimateGain(table, batch);
      inside += std::fabs(EstimateGain(truth, batch).gain - estimate.gain) <
                        1.645 * estimate.standard_error
                    ? 1
                    : 0;
      ++all;
    }
  }
  const double coverage = static_cast<double>(inside) / all;  // nominal: 0.90
  EXPECT_GT(coverage, 0.78);
  EXPECT_LT(coverage, 0.985);
}

TEST(FitTableTest, EvidenceShrinksTheErrors) {
  const PlantedPool pool(120, 3, 8, 9);
  LookupTable before = FitTable(DescribePool(pool.input));
  const std::array<double, kNumFeatures> truth = prior::kWeight;
  LookupTable after =
      FitTable(DescribePool(pool.input), pool.Probes(8, 12, {truth.begin(), truth.end()}, 0.02, 9));
  const std::vector<int64_t> batch = {0, 9, 18, 27, 36, 45};
  const double errors[2] = {EstimateGain(before, batch).standard_error,
                            EstimateGain(after, batch).standard_error};
  EXPECT_LT(errors[1], errors[0]) << "kappa and the residual stay";
  for (LookupTable* table : {&before, &after}) table->kappa_sd = table->residual_share = 0;
  EXPECT_LT(EstimateGain(after, batch).standard_error,
            0.3 * EstimateGain(before, batch).standard_error);
}

TEST(FitTableTest, RealizedGainsMoveTheScale) {
  const PlantedPool pool(60, 2, 5, 6);
  const std::vector<ReplayProbe> probes = pool.Probes(1, 30, {0.5, 0.2}, 0.01, 6);
  const auto fit = [&](double kappa, int cycles, bool second_class) {
    std::vector<RealizedGain> realized;
    for (int r = 0; r < cycles; ++r) {
      const std::vector<double>& features = probes[r % 30].features;
      RealizedGain gain{features, {0.5, std::nan("")}, {}};
      for (int64_t c = 0; c < 2; ++c) {
        gain.class_gain.push_back(kappa * ApSlope(gain.class_ap[c]) *
                                  (prior::kWeight[0] * gain.features[c * 2] +
                                   prior::kWeight[1] * gain.features[c * 2 + 1]));
      }
      if (!second_class) gain.class_gain[1] = std::nan("");
      realized.push_back(gain);
    }
    return FitTable(DescribePool(pool.input), {}, realized);
  };
  EXPECT_NEAR(fit(0.9, 300, true).kappa, 0.9, 0.1);
  EXPECT_NEAR(fit(0.9, 300, false).kappa, 0.9, 0.1);
  const LookupTable before = fit(0.9, 0, true);
  EXPECT_LT(fit(0.9, 300, true).kappa_sd, 0.5 * before.kappa_sd);
  EXPECT_LT(fit(0.1, 2, true).kappa, before.kappa);
  EXPECT_EQ(fit(-5, 30, true).kappa, prior::kLeastKappa) << "a gain in scale never turns around";
  std::vector<RealizedGain> unknown = {
      {probes[0].features, {0.5, 0.5}, {std::nan(""), std::nan("")}}};
  EXPECT_EQ(FitTable(DescribePool(pool.input), {}, unknown).kappa,
            FitTable(DescribePool(pool.input)).kappa);
}

TEST(FitTableTest, SameInputSameBytes) {
  const PlantedPool pool(100, 3, 6, 17);
  const std::vector<ReplayProbe> probes = pool.Probes(4, 8, {0.5, 0.2}, 0.02, 17);
  EXPECT_EQ(FitTable(DescribePool(pool.input), probes).Serialize(),
            FitTable(DescribePool(pool.input), probes).Serialize());
}

}  // namespace
}  // namespace mgral::core
