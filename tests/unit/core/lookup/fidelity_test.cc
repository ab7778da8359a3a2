#include "server/core/lookup/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

TableFidelity Measure(const std::vector<ReplayProbe>& probes, int64_t classes) {
  ProbeRows rows;
  for (const ReplayProbe& probe : probes) rows.push_back(&probe);
  return MeasureFidelity(rows, classes, ChooseHyper(rows, classes));
}

TEST(FidelityTest, FewerThanSixteenProbesSayNothing) {
  const PlantedPool pool(40, 2, 4, 1);
  std::vector<ReplayProbe> probes = pool.Probes(3, 5, {0.5, 0.2}, 0.001, 1);
  const TableFidelity few = Measure(probes, 2);
  EXPECT_EQ(few.probes, 15);
  EXPECT_EQ(few.bases, 3);
  for (const double value : {few.fidelity, few.concordance, few.ceiling, few.truth_spread}) {
    EXPECT_TRUE(std::isnan(value));
  }
  probes.push_back(probes[0]);
  EXPECT_FALSE(std::isnan(Measure(probes, 2).fidelity));
}

TEST(FidelityTest, WithoutHalvesOrPairsThereIsNoCeiling) {
  const PlantedPool pool(40, 2, 4, 1);
  std::vector<ReplayProbe> probes = pool.Probes(3, 6, {0.5, 0.2}, 0.01, 1);
  EXPECT_GT(Measure(probes, 2).ceiling, 0.8);
  probes[4].half_response = {};
  EXPECT_TRUE(std::isnan(Measure(probes, 2).ceiling));
  for (size_t p = 0; p < probes.size(); ++p) probes[p].base = static_cast<int>(p);
  const TableFidelity alone = Measure(probes, 2);
  EXPECT_TRUE(std::isnan(alone.fidelity));
  EXPECT_TRUE(std::isnan(alone.concordance));
}

TEST(FidelityTest, PlantedWeightsArePredictedUpToTheCeiling) {
  double fidelity = 0, concordance = 0, ceiling = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const PlantedPool pool(80, 3, 24, seed);
    const TableFidelity found = Measure(pool.Probes(6, 10, {0.8, 0.7}, 0.05, seed), 3);
    fidelity += found.fidelity / 5;
    concordance += found.concordance / 5;
    ceiling += found.ceiling / 5;
    EXPECT_GT(found.truth_spread, 0.02);
  }
  EXPECT_GT(fidelity, 0.7);
  EXPECT_GT(concordance, 0.5);
  EXPECT_NEAR(fidelity, ceiling, 0.12);
  EXPECT_LT(ceiling, 1);
}

TEST(FidelityTest, PureNoiseIsNearZero) {
  double fidelity = 0, concordance = 0, ceiling = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const PlantedPool pool(30, 2, 4, seed);
    const TableFidelity found = Measure(pool.Probes(4, 6, {0, 0}, 0.3, seed), 2);
    fidelity += found.fidelity / 50;
    concordance += found.concordance / 50;
    ceiling += found.ceiling / 50;
  }
  EXPECT_NEAR(fidelity, 0, 0.1);
  EXPECT_NEAR(concordance, 0, 0.1);
  EXPECT_LT(ceiling, 0.5);
}

TEST(FidelityTest, ResponsesOfOtherBatchesAreNotPredicted) {
  double fidelity = 0, concordance = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const PlantedPool pool(60, 2, 5, seed);
    std::vector<ReplayProbe> probes = pool.Probes(5, 8, {0.3, 0.4}, 0.02, seed);
    RandomStream random(seed);
    for (size_t first = 0; first < probes.size(); first += 8) {  // within each base
      std::vector<std::vector<double>> features;
      for (size_t p = 0; p < 8; ++p) features.push_back(probes[first + p].features);
      random.Shuffle(&features);
      for (size_t p = 0; p < 8; ++p) probes[first + p].features = features[p];
    }
    const TableFidelity found = Measure(probes, 2);
    fidelity += found.fidelity / 20;
    concordance += found.concordance / 20;
  }
  EXPECT_NEAR(fidelity, 0, 0.15);
  EXPECT_NEAR(concordance, 0, 0.15);
}

TEST(FidelityTest, RanksWithTies) {
  EXPECT_TRUE(std::isnan(RankCorrelation({1, 2}, {1, 2})));
  EXPECT_TRUE(std::isnan(RankCorrelation({1, 1, 1}, {1, 2, 3})));
  EXPECT_DOUBLE_EQ(RankCorrelation({1, 20, 300}, {-3, -2, -1}), 1);
  EXPECT_NEAR(RankCorrelation({1, 2, 2, 3}, {1, 2, 3, 4}), 0.9486832980505138, 1e-12);
}

}  // namespace
}  // namespace mgral::core
