#include "server/core/selector/strategies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "server/core/random.h"
#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

std::vector<float> RandomEmbeddings(int64_t images, int64_t dim, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> out(images * dim);
  for (float& value : out) value = static_cast<float>(random.Normal());
  return out;
}

std::vector<int64_t> RandomOrder(int64_t images, int64_t n, uint64_t seed) {
  RankInput input;
  input.candidates.images = images;
  input.limit = n;
  input.seed = seed;
  return Rank("random", input).order;
}

std::vector<int64_t> EntropyOrder(const std::vector<float>& uncertainty, int64_t images,
                                  int64_t classes, int64_t n) {
  RankInput input;
  input.candidates.images = images;
  input.candidates.classes = classes;
  input.candidates.uncertainty = uncertainty;
  input.limit = n;
  return Rank("entropy", input).order;
}

// One box per image, of these scores.
std::vector<int64_t> MarginOrder(const std::vector<double>& scores, int64_t n) {
  RankInput input;
  input.candidates.images = static_cast<int64_t>(scores.size());
  for (double score : scores) input.predictions.push_back({{0, 0, 10, 10, 0, score}});
  input.limit = n;
  return Rank("margin", input).order;
}

std::vector<int64_t> GreedyOrder(const LookupTable& table, int64_t n) {
  RankInput input;
  input.candidates.images = table.images;
  input.table = table;
  input.cost_per_box = 0;  // every image costs the same: gains alone count
  input.limit = n;
  return Rank("lookup_greedy", input).order;
}

// The definition, slowly.
std::vector<int64_t> SlowCoreSet(const std::vector<float>& x, int64_t images, int64_t dim,
                                 const std::vector<float>& labeled, int64_t n) {
  const auto distance = [&](const float* a, const float* b) {
    double sum = 0;
    for (int64_t j = 0; j < dim; ++j) sum += std::pow(static_cast<double>(a[j]) - b[j], 2);
    return sum;
  };
  std::vector<double> nearest(images, INFINITY);
  for (size_t m = 0; m < labeled.size() / dim; ++m) {
    for (int64_t i = 0; i < images; ++i) {
      nearest[i] = std::min(nearest[i], distance(&x[i * dim], &labeled[m * dim]));
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
  EXPECT_THROW(Rank("best", RankInput()), std::invalid_argument);
  EXPECT_THROW(RandomOrder(3, -1, 1), std::invalid_argument);
  EXPECT_THROW(Rank("mgral", RankInput()), std::invalid_argument) << "there is no table";
  EXPECT_THROW(Rank("lookup_greedy", RankInput()), std::invalid_argument);
  EXPECT_THROW(Rank("lookup_shuffled", RankInput()), std::invalid_argument);
  EXPECT_THROW(EntropyOrder({1, nan}, 2, 1, 1), std::invalid_argument);
  EXPECT_THROW(EntropyOrder({1, 2, 3}, 2, 1, 1), std::invalid_argument);
  EXPECT_THROW(MarginOrder({std::nan("")}, 1), std::invalid_argument);
  EXPECT_THROW(KCenterGreedy({1, nan}, 1, 2, {}, 1), std::invalid_argument);
  EXPECT_THROW(KCenterGreedy({1, 2}, 1, 2, {nan, 1}, 1), std::invalid_argument);
  EXPECT_THROW(KCenterGreedy({1, 2}, 1, 2, {1}, 1), std::invalid_argument);
  HandTable hand = MakeHandTable(4, 2, 1, 1);
  EXPECT_THROW(GreedyOrder(hand.table, -1), std::invalid_argument);
  EXPECT_THROW(ContinueLookupGreedy(hand.table, {4}, 1), std::invalid_argument);
  hand.table.missed[0] = nan;
  EXPECT_THROW(GreedyOrder(hand.table, 2), std::invalid_argument);
}

TEST(StrategiesTest, RandomIsASeededPermutation) {
  const std::vector<int64_t> order = RandomOrder(50, 50, 3);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 50u);
  EXPECT_EQ(order, RandomOrder(50, 50, 3));
  EXPECT_NE(order, RandomOrder(50, 50, 4));
  EXPECT_EQ(RandomOrder(50, 9, 3), std::vector<int64_t>(order.begin(), order.begin() + 9));
  EXPECT_TRUE(RandomOrder(0, 5, 1).empty());
  EXPECT_EQ(RandomOrder(2, 5, 1).size(), 2u);
}

TEST(StrategiesTest, EntropyAndMarginOrderWithTiesByIndex) {
  EXPECT_EQ(EntropyOrder({1, 0, 2, 2, 0, 1, 3, 1}, 4, 2, 4), (std::vector<int64_t>{1, 3, 0, 2}));
  EXPECT_EQ(EntropyOrder({1, 5}, 2, 1, 9), (std::vector<int64_t>{1, 0}));
  EXPECT_TRUE(EntropyOrder({}, 0, 3, 5).empty());
  EXPECT_EQ(MarginOrder({0.65, 0.45, 0.55, 0.95}, 3), (std::vector<int64_t>{1, 2, 0}));
}

TEST(StrategiesTest, MarginIsSmallWhereTwoClassesCompeteOrTheScoreIsHalf) {
  const ScoredBox sure{0, 0, 10, 10, 0, 0.9}, half{0, 0, 10, 10, 0, 0.5},
      rival{0, 0, 10, 10, 1, 0.9};
  EXPECT_NEAR(ImageMargin({sure}), 0.8, 1e-6);
  EXPECT_NEAR(ImageMargin({half}), 0, 1e-6);
  EXPECT_NEAR(ImageMargin({sure, rival}), 0, 1e-6);
  EXPECT_EQ(ImageMargin({}), 1);
}

TEST(StrategiesTest, MgralRanksWithItsPolicyAndThenByTheTable) {
  const HandTable hand = MakeHandTable(60, 5, 2, 4);
  RankInput input;
  input.candidates.images = 60;
  input.candidates.dim = hand.table.cells.dim;
  input.candidates.embeddings = hand.embeddings;
  input.candidates.expected_objects = hand.table.missed;
  input.table = hand.table;
  input.batch_size = 5;
  input.seed = 1;
  for (const int64_t limit : {0, 3, 12, 60, 99}) {
    input.limit = limit;
    const Ranking ranking = Rank("mgral", input);
    EXPECT_EQ(static_cast<int64_t>(ranking.order.size()), std::min<int64_t>(limit, 60));
    EXPECT_EQ(std::set<int64_t>(ranking.order.begin(), ranking.order.end()).size(),
              ranking.order.size());
    EXPECT_EQ(ranking.policy.empty(), limit == 0);
  }
}

TEST(StrategiesTest, CoreSetIsTheGreedyKCenter) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const std::vector<float> x = RandomEmbeddings(150, 9, seed);
    const std::vector<float> labeled = RandomEmbeddings(seed == 4 ? 0 : 7, 9, seed + 10);
    const std::vector<int64_t> fast = KCenterGreedy(x, 150, 9, labeled, 40);
    if (labeled.empty()) {
      const std::vector<float> first(&x[fast[0] * 9], &x[fast[0] * 9] + 9);
      const std::vector<int64_t> rest = SlowCoreSet(x, 150, 9, first, 39);
      EXPECT_TRUE(std::equal(rest.begin(), rest.end(), fast.begin() + 1)) << seed;
    } else {
      EXPECT_EQ(fast, SlowCoreSet(x, 150, 9, labeled, 40)) << seed;
    }
  }
}

TEST(StrategiesTest, CoreSetEdges) {
  EXPECT_TRUE(KCenterGreedy({}, 0, 4, {}, 3).empty());
  EXPECT_EQ(KCenterGreedy({1, 1}, 1, 2, {}, 3), (std::vector<int64_t>{0}));
  // Copies still give distinct images.
  const std::vector<int64_t> copies = KCenterGreedy(std::vector<float>(12, 1.0f), 6, 2, {}, 6);
  EXPECT_EQ(std::set<int64_t>(copies.begin(), copies.end()).size(), 6u);
  // Far corners first.
  RankInput input;
  input.candidates.images = 4;
  input.candidates.dim = 1;
  input.candidates.embeddings = {0, 0.1f, 10, -7};
  input.limit = 3;
  EXPECT_EQ(Rank("cold_start", input).order, (std::vector<int64_t>{1, 2, 3}));
  input.labeled_embeddings = {10};
  EXPECT_EQ(Rank("core_set", input).order, (std::vector<int64_t>{3, 1, 0}));
}

TEST(StrategiesTest, LookupGreedyTakesTheLargestMarginal) {
  const HandTable hand = MakeHandTable(40, 5, 3, 2);
  const std::vector<int64_t> order = GreedyOrder(hand.table, 40);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 40u);
  BatchState state(hand.table);
  for (int64_t image : order) {
    for (int64_t i = 0; i < 40; ++i) {
      if (!state.Taken(i)) {
        EXPECT_LE(state.Marginal(i), state.Marginal(image) + 1e-15);
      }
    }
    state.Add(image);
  }
  const std::vector<int64_t> head(order.begin(), order.begin() + 15);
  const std::vector<int64_t> tail(order.begin() + 15, order.end());
  EXPECT_EQ(ContinueLookupGreedy(hand.table, head, 100), tail);
  EXPECT_TRUE(GreedyOrder(MakeHandTable(0, 2, 1, 1).table, 5).empty());
}

TEST(StrategiesTest, LookupGreedyTakesCopiesLast) {
  HandTable hand = MakeHandTable(12, 3, 2, 6);
  for (const int64_t copy : {3, 6}) {  // of image 0
    hand.table.group_of[copy] = 0;
    for (int64_t c = 0; c < 2; ++c) hand.table.missed[copy * 2 + c] = hand.table.missed[c];
    for (int64_t k = 0; k < 3; ++k) hand.table.reach[copy * 3 + k] = hand.table.reach[k];
  }
  const std::vector<int64_t> order = GreedyOrder(hand.table, 12);
  ASSERT_EQ(order.size(), 12u);
  EXPECT_EQ(order[10], 3);
  EXPECT_EQ(order[11], 6);
}

TEST(StrategiesTest, LookupGreedyTakesTheLargestMarginalLessThePrice) {
  const HandTable hand = MakeHandTable(40, 5, 3, 2);
  RandomStream random(3);
  std::vector<double> price;
  for (int64_t i = 0; i < 40; ++i) price.push_back(0.02 * random.Uniform());
  BatchState gain(hand.table), value(hand.table, price);
  double paid = 0;
  for (const int64_t image : ContinueLookupGreedy(hand.table, {}, 40, price)) {
    for (int64_t i = 0; i < 40; ++i) {
      if (gain.Taken(i)) continue;
      EXPECT_LE(gain.Marginal(i) - price[i], gain.Marginal(image) - price[image] + 1e-15);
    }
    gain.Add(image);
    value.Add(image);
    paid += price[image];
    EXPECT_NEAR(value.Gain(), gain.Gain() - paid, 1e-12);
  }
  value.Remove(7);
  gain.Remove(7);
  EXPECT_NEAR(value.Gain(), gain.Gain() - paid + price[7], 1e-12);
}

}  // namespace
}  // namespace mgral::core
