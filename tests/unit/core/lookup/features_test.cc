#include "server/core/lookup/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace mgral::core {
namespace {

TEST(FeaturesTest, RefuseWhatDoesNotFitTogether) {
  EXPECT_THROW(ContentOf({1, 2, 3}, {0, 0}, {}, 1, 2), std::invalid_argument);
  EXPECT_THROW(ContentOf({1, 2}, {0, 0}, {}, 1, 2), std::invalid_argument);
  EXPECT_THROW(ContentOf({1, 2}, {0}, {1}, 1, 2), std::invalid_argument);
  EXPECT_THROW(ContentOf({1, 2}, {0}, {-1}, 1, 2), std::invalid_argument);
  std::vector<double> in_cell(2);
  EXPECT_THROW(AddToCells({1, 2}, {1}, 2, &in_cell), std::invalid_argument);
  EXPECT_THROW(AddToCells({1, 2, 3}, {0}, 2, &in_cell), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1, 2}, {1}}, {1}), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1}, {1, 0}}, {1}), std::invalid_argument);
  EXPECT_THROW(BatchFeatures({{1}, {1}}, {{1}, {1}}, {}), std::invalid_argument);
  EXPECT_THROW(ReachOf({1, 2, {0, 0}, {0}, 1}, {1, 2, 3}, 1), std::invalid_argument);
}

TEST(FeaturesTest, GrowthAndCoverageByHand) {
  const SetContent labeled{{3}, {0.5f, 0.25f}}, batch{{4}, {0.25f, 0.75f}};
  const std::vector<double> features = BatchFeatures(labeled, batch, {0.25, 0.75});
  EXPECT_DOUBLE_EQ(features[kGrowth], std::log(8.0 / 4));
  EXPECT_DOUBLE_EQ(features[kCoverage], 0.75 * 0.5);
  EXPECT_EQ(BatchFeatures(labeled, {{0}, {0, 0}}, {0.25, 0.75}), (std::vector<double>{0, 0}));
}

TEST(FeaturesTest, ReachFallsWithTheDistanceInUnitsOfThePoolsSpread) {
  const Cells cells{2, 1, {0, 10}, {0, 0}, 5};
  const std::vector<float> reach = ReachOf(cells, {0, 5}, 2);
  EXPECT_FLOAT_EQ(reach[0], 1);
  EXPECT_FLOAT_EQ(reach[1], std::exp(-2.0f));
  EXPECT_FLOAT_EQ(reach[2], std::exp(-0.5f));
  EXPECT_FLOAT_EQ(reach[3], std::exp(-0.5f));
  EXPECT_EQ(ReachOf({1, 1, {0}, {0}, 0}, {7}, 1), std::vector<float>{1}) << "all images are alike";
}

TEST(FeaturesTest, AClassThatIsNowhereHasNoShares) {
  EXPECT_EQ(CellShares({1, 0, 3, 0}, 2), (std::vector<double>{0.25, 0, 0.75, 0}));
  EXPECT_TRUE(CellShares({}, 1).empty());
}

TEST(FeaturesTest, AddsUpTheImagesThatAreAskedFor) {
  const SetContent content =
      ContentOf({1, 2, 3, 4, 5, 6}, {0.1f, 0.9f, 1, 1, 0.3f, 0.2f}, {0, 2}, 2, 2);
  EXPECT_EQ(content.objects, (std::vector<double>{6, 8}));
  EXPECT_EQ(content.covered, (std::vector<float>{0.3f, 0.9f}));
  std::vector<double> in_cell(4);
  AddToCells({1, 2, 5, 6}, {1, 1}, 2, &in_cell);
  EXPECT_EQ(in_cell, (std::vector<double>{0, 0, 6, 8}));
}

}  // namespace
}  // namespace mgral::core
