#include "server/core/lookup/gain_level.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "server/core/lookup/estimate.h"
#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/prior.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

LookupTable PriorTable(int64_t images, int64_t labeled) {
  LookupTable table = DescribePool(PlantedPool(images, 3, 6, 4, labeled).input);
  table.kappa = 1;
  return table;
}

TEST(GainLevelTest, IsTheMeanGainOfRandomBatches) {
  const LookupTable table = PriorTable(200, 20);
  const RandomGain random = GainOfRandomBatches(table);
  double by_parts = 0;
  for (int f = 0; f < kNumFeatures; ++f) by_parts += random.per_weight[f] * prior::kWeight[f];
  RandomStream stream(9);
  std::vector<int64_t> order(200);
  std::iota(order.begin(), order.end(), 0);
  double gain = 0;
  for (int b = 0; b < 200; ++b) {
    stream.Shuffle(&order);
    gain += EstimateGain(table, {order.begin(), order.begin() + 20}).gain / 200;
  }
  EXPECT_NEAR(by_parts, gain, 0.05 * gain);
  EXPECT_NEAR(random.level, LevelOf(std::log(2.0), by_parts), 1e-9);
}

TEST(GainLevelTest, TakesAllCandidatesWhereTheyAreFew) {
  const LookupTable table = PriorTable(5, 60);
  const double all = EstimateGain(table, {0, 1, 2, 3, 4}).gain;
  EXPECT_NEAR(GainOfRandomBatches(table).level, LevelOf(std::log1p(5.0 / 60), all), 1e-9);
}

TEST(GainLevelTest, WithoutABatchItIsOne) {
  LookupTable table = PriorTable(5, 60);
  table.labeled_images = 0;
  EXPECT_EQ(GainOfRandomBatches(table).level, 1);
  EXPECT_EQ(GainOfRandomBatches(table).per_weight, std::vector<double>(kNumFeatures, 0.0));
}

TEST(GainLevelTest, HasBounds) {
  EXPECT_DOUBLE_EQ(LevelOf(0.5, 0.02), 5);
  EXPECT_EQ(LevelOf(0.7, 0), prior::kMostLevel);
  EXPECT_EQ(LevelOf(0.01, 1), prior::kLeastLevel);
}

// Twice the gains by the features are 1.4 times the gain: half of it is what images say.
TEST(GainLevelTest, HalvesWhatTablesDifferBy) {
  LookupTable table = PriorTable(200, 20);
  for (double& weight : table.weights) weight *= 0.02;  // far from the bounds
  const double before = GainOfRandomBatches(table).level;
  for (double& weight : table.weights) weight *= 2;
  EXPECT_NEAR(GainOfRandomBatches(table).level, before / std::sqrt(2), 1e-9);
}

}  // namespace
}  // namespace mgral::core
