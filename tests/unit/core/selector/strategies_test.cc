#include "server/core/selector/strategies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "server/core/lookup/random.h"
#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

std::vector<float> RandomEmbeddings(int64_t images, int64_t dim, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> out(images * dim);
  for (float& value : out) value = static_cast<float>(random.Normal());
  return out;
}

// The definition, slowly.
std::vector<int64_t> SlowCoreSet(const std::vector<float>& x, int64_t images, int64_t dim,
                                 const std::vector<float>& labelled, int64_t n) {
  const auto distance = [&](const float* a, const float* b) {
    double sum = 0;
    for (int64_t j = 0; j < dim; ++j) sum += std::pow(static_cast<double>(a[j]) - b[j], 2);
    return sum;
  };
  std::vector<double> nearest(images, INFINITY);
  for (size_t m = 0; m < labelled.size() / dim; ++m) {
    for (int64_t i = 0; i < images; ++i) {
      nearest[i] = std::min(nearest[i], distance(&x[i * dim], &labelled[m * dim]));
    }
  }
  std::vector<int64_t> order;
  while (static_cast<int64_t>(order.size()) < n) {
    const int64_t far = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
    order.push_back(far);
    for (int64_t i = 0; i < images; ++i) {
      nearest[i] = std::min(nearest[i], distance(&x[i * dim], &x[far * dim]));
    }
    nearest[far] = -1;
  }
  return order;
}

TEST(StrategiesTest, RefuseBadInput) {
  const float nan = std::nanf("");
  EXPECT_THROW(RankRandom(-1, 3, 1), std::invalid_argument);
  EXPECT_THROW(RankRandom(3, -1, 1), std::invalid_argument);
  EXPECT_THROW(RankEntropy({1, nan}, 2, 1, 1), std::invalid_argument);
  EXPECT_THROW(RankEntropy({1, 2, 3}, 2, 1, 1), std::invalid_argument);
  EXPECT_THROW(RankMargin({nan}, 1), std::invalid_argument);
  EXPECT_THROW(RankCoreSet({1, nan}, 1, 2, {}, 1), std::invalid_argument);
  EXPECT_THROW(RankCoreSet({1, 2}, 1, 2, {nan, 1}, 1), std::invalid_argument);
  EXPECT_THROW(RankCoreSet({1, 2}, 1, 2, {1}, 1), std::invalid_argument);
  HandTable hand = MakeHandTable(4, 2, 1, 1);
  EXPECT_THROW(RankLookupGreedy(hand.table, -1), std::invalid_argument);
  EXPECT_THROW(ContinueLookupGreedy(hand.table, {4}, 1), std::invalid_argument);
  hand.table.image_gain[0] = nan;
  EXPECT_THROW(RankLookupGreedy(hand.table, 2), std::invalid_argument);
}

TEST(StrategiesTest, RandomIsASeededPermutation) {
  const std::vector<int64_t> order = RankRandom(50, 50, 3);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 50u);
  EXPECT_EQ(order, RankRandom(50, 50, 3));
  EXPECT_NE(order, RankRandom(50, 50, 4));
  EXPECT_EQ(RankRandom(50, 9, 3), std::vector<int64_t>(order.begin(), order.begin() + 9));
  EXPECT_TRUE(RankRandom(0, 5, 1).empty());
  EXPECT_EQ(RankRandom(2, 5, 1).size(), 2u);
}

TEST(StrategiesTest, EntropyAndMarginOrderWithTiesByIndex) {
  EXPECT_EQ(RankEntropy({1, 0, 2, 2, 0, 1, 3, 1}, 4, 2, 4), (std::vector<int64_t>{1, 3, 0, 2}));
  EXPECT_EQ(RankEntropy({1, 5}, 2, 1, 9), (std::vector<int64_t>{1, 0}));
  EXPECT_TRUE(RankEntropy({}, 0, 3, 5).empty());
  EXPECT_EQ(RankMargin({0.3f, 0.1f, 0.1f, 0.9f}, 3), (std::vector<int64_t>{1, 2, 0}));
}

TEST(StrategiesTest, CoreSetIsTheGreedyKCentre) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const std::vector<float> x = RandomEmbeddings(150, 9, seed);
    const std::vector<float> labelled = RandomEmbeddings(seed == 4 ? 0 : 7, 9, seed + 10);
    const std::vector<int64_t> fast = RankCoreSet(x, 150, 9, labelled, 40);
    if (labelled.empty()) {
      const std::vector<float> first(&x[fast[0] * 9], &x[fast[0] * 9] + 9);
      const std::vector<int64_t> rest = SlowCoreSet(x, 150, 9, first, 39);
      EXPECT_TRUE(std::equal(rest.begin(), rest.end(), fast.begin() + 1)) << seed;
    } else {
      EXPECT_EQ(fast, SlowCoreSet(x, 150, 9, labelled, 40)) << seed;
    }
  }
}

TEST(StrategiesTest, CoreSetEdges) {
  EXPECT_TRUE(RankCoreSet({}, 0, 4, {}, 3).empty());
  EXPECT_EQ(RankCoreSet({1, 1}, 1, 2, {}, 3), (std::vector<int64_t>{0}));
  // Copies still give distinct images.
  const std::vector<int64_t> copies = RankCoreSet(std::vector<float>(12, 1.0f), 6, 2, {}, 6);
  EXPECT_EQ(std::set<int64_t>(copies.begin(), copies.end()).size(), 6u);
  // Far corners first.
  EXPECT_EQ(ColdStart({0, 0.1f, 10, -7}, 4, 1, 3), (std::vector<int64_t>{1, 2, 3}));
}

TEST(StrategiesTest, LookupGreedyTakesTheLargestMarginal) {
  const HandTable hand = MakeHandTable(40, 5, 3, 2);
  const std::vector<int64_t> order = RankLookupGreedy(hand.table, 40);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 40u);
  BatchState state(hand.table);
  for (int64_t image : order) {
    for (int64_t i = 0; i < 40; ++i) {
      if (!state.Taken(i)) {
        EXPECT_LE(state.Marginal(i), state.Marginal(image));
      }
    }
    state.Add(image);
  }
  const std::vector<int64_t> head(order.begin(), order.begin() + 15);
  const std::vector<int64_t> tail(order.begin() + 15, order.end());
  EXPECT_EQ(ContinueLookupGreedy(hand.table, head, 100), tail);
  EXPECT_TRUE(RankLookupGreedy(MakeHandTable(0, 2, 1, 1).table, 5).empty());
}

TEST(StrategiesTest, LookupGreedyByCellsIsAsGoodAsByImages) {
  // Just above the size from which only the first image of each cell is compared.
  const HandTable hand = MakeHandTable(26000, 20, 20, 3);
  const std::vector<int64_t> by_cells = RankLookupGreedy(hand.table, 200);
  std::vector<int64_t> by_images = RankLookupGreedy(hand.table, 100);
  const std::vector<int64_t> rest = ContinueLookupGreedy(hand.table, by_images, 100);
  by_images.insert(by_images.end(), rest.begin(), rest.end());
  EXPECT_GE(GainOf(hand.table, by_cells), 0.999 * GainOf(hand.table, by_images));
}

}  // namespace
}  // namespace mgral::core
