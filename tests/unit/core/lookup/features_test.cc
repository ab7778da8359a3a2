#include "server/core/lookup/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace mgral::core {
namespace {

TEST(FeaturesTest, RefuseWhatDoesNotFitTogether) {
  EXPECT_THROW(CountObjects({1, 2, 3}, {0, 0}, {}, 1, 2), std::invalid_argument);
  EXPECT_THROW(CountObjects({1, 2}, {0}, {1}, 1, 2), std::invalid_argument);
  EXPECT_THROW(CountObjects({1, 2}, {0}, {-1}, 1, 2), std::invalid_argument);
  EXPECT_THROW(CountObjects({1, 2}, {1}, {0}, 1, 2), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1, 2}, {1}}, {1}), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1}, {1, 0}}, {1}), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1}, {1}}, {}), std::invalid_argument);
}

TEST(FeaturesTest, GrowthAndLocalGrowthByHand) {
  const ObjectCounts labeled{{3}, {2, 1}}, batch{{4}, {0, 4}};
  const std::vector<double> features = BatchFeatures(labeled, batch, {0.25, 0.75});
  EXPECT_DOUBLE_EQ(features[kGrowth], std::log(8.0 / 4));
  EXPECT_DOUBLE_EQ(features[kLocal], 0.75 * std::log(5.5 / 1.5));
  EXPECT_EQ(BatchFeatures(labeled, {{0}, {0, 0}}, {0.25, 0.75}), (std::vector<double>{0, 0}));
}

TEST(FeaturesTest, AClassThatIsNowhereHasNoShares) {
  EXPECT_EQ(CellShares({{4, 0}, {1, 0, 3, 0}}), (std::vector<double>{0.25, 0, 0.75, 0}));
  EXPECT_TRUE(CellShares({{0}, {}}).empty());
}

TEST(FeaturesTest, CountsTheImagesThatAreAskedFor) {
  const ObjectCounts counts = CountObjects({1, 2, 3, 4, 5, 6}, {1, 0, 1}, {0, 2}, 2, 2);
  EXPECT_EQ(counts.total, (std::vector<double>{6, 8}));
  EXPECT_EQ(counts.in_cell, (std::vector<double>{0, 0, 6, 8}));
}

}  // namespace
}  // namespace mgral::core
