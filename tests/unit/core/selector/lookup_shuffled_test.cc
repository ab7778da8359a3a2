#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "server/core/selector/strategies.h"
#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

RankInput InputOf(const LookupTable& table, uint64_t seed) {
  RankInput input;
  input.candidates.images = table.images;
  input.candidates.expected_objects = table.missed;
  input.table = table;
  input.limit = table.images;
  input.seed = seed;
  return input;
}

double GainOfFirst(const std::vector<int64_t>& order, int64_t n, const LookupTable& table) {
  return GainOf(table, {order.begin(), order.begin() + n});
}

TEST(LookupShuffledTest, ABadTableIsRefused) {
  HandTable hand = MakeHandTable(4, 2, 1, 1);
  hand.table.missed.pop_back();
  EXPECT_THROW(Rank("lookup_shuffled", InputOf(hand.table, 1)), std::invalid_argument);
  RankInput input = InputOf(MakeHandTable(4, 2, 1, 1).table, 1);
  input.candidates.expected_objects.pop_back();
  EXPECT_THROW(Rank("lookup_shuffled", input), std::invalid_argument);
}

TEST(LookupShuffledTest, TheSeedAloneDealsOutTheRows) {
  const HandTable hand = MakeHandTable(40, 5, 3, 2);
  const std::vector<int64_t> order = Rank("lookup_shuffled", InputOf(hand.table, 1)).order;
  EXPECT_EQ(order, Rank("lookup_shuffled", InputOf(hand.table, 1)).order);
  EXPECT_NE(order, Rank("lookup_shuffled", InputOf(hand.table, 2)).order);
  EXPECT_NE(order, Rank("lookup_greedy", InputOf(hand.table, 1)).order);
  EXPECT_NE(order, Rank("random", InputOf(hand.table, 1)).order);
}

// Taken by other images' rows, a batch is worth no more than a random one.
TEST(LookupShuffledTest, TheTableHelpsAsLittleAsChance) {
  const HandTable hand = MakeHandTable(200, 5, 3, 2);
  double shuffled = 0, random = 0;
  constexpr int kSeeds = 200;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RankInput input = InputOf(hand.table, seed);
    input.cost_per_box = 0;  // gains alone count
    shuffled += GainOfFirst(Rank("lookup_shuffled", input).order, 10, hand.table) / kSeeds;
    random += GainOfFirst(Rank("random", input).order, 10, hand.table) / kSeeds;
  }
  RankInput input = InputOf(hand.table, 1);
  input.cost_per_box = 0;
  const double greedy = GainOfFirst(Rank("lookup_greedy", input).order, 10, hand.table);
  EXPECT_LT(std::abs(shuffled - random), 0.05 * (greedy - random));
}

// One image alone is worth anything.
TEST(LookupShuffledTest, RowsMoveAsAWhole) {
  HandTable hand = MakeHandTable(30, 3, 2, 6);
  std::fill(hand.table.missed.begin(), hand.table.missed.end(), 0.0f);
  std::fill(hand.table.reach.begin(), hand.table.reach.end(), 0.0f);
  hand.table.missed[7 * 2] = 3;
  hand.table.missed[7 * 2 + 1] = 2;
  std::set<int64_t> first;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    first.insert(Rank("lookup_shuffled", InputOf(hand.table, seed)).order[0]);
  }
  EXPECT_EQ(first.size(), 30u);
}

TEST(LookupShuffledTest, CostsMoveWithTheirRow) {
  HandTable hand = MakeHandTable(30, 3, 2, 6);
  std::fill(hand.table.missed.begin(), hand.table.missed.end(), 1.0f);
  std::fill(hand.table.reach.begin(), hand.table.reach.end(), 0.0f);
  RankInput input = InputOf(hand.table, 1);
  input.batch_size = 1;
  std::fill(input.candidates.expected_objects.begin(), input.candidates.expected_objects.end(), 4);
  input.candidates.expected_objects[7 * 2] = input.candidates.expected_objects[7 * 2 + 1] = 0;
  std::set<int64_t> first;
  for (input.seed = 1; input.seed <= 400; ++input.seed) {
    first.insert(Rank("lookup_shuffled", input).order[0]);
  }
  EXPECT_EQ(first.size(), 30u);
}

}  // namespace
}  // namespace mgral::core
