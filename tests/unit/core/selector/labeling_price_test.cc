#include "server/core/selector/labeling_price.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

RankInput InputOf(const HandTable& hand, int64_t batch_size) {
  RankInput input;
  input.table = hand.table;
  input.candidates.images = hand.table.images;
  input.candidates.classes = hand.table.classes;
  input.candidates.dim = hand.table.cells.dim;
  input.candidates.embeddings = hand.embeddings;
  input.candidates.expected_objects = hand.table.missed;
  input.batch_size = input.limit = batch_size;
  return input;
}

double CostOf(const RankInput& input, int64_t image) {
  double boxes = 0;
  for (int64_t c = 0; c < input.table->classes; ++c) {
    boxes += input.candidates.expected_objects[image * input.table->classes + c];
  }
  return input.cost_per_image + input.cost_per_box * boxes;
}

double GainOverRootOfCost(const RankInput& input, const std::vector<int64_t>& batch) {
  double cost = 0;
  for (const int64_t image : batch) cost += CostOf(input, image);
  return GainOf(*input.table, batch) / std::sqrt(cost);
}

TEST(LabelingPriceTest, GreedyComesCloseToTheLargestGainOverTheRootOfCost) {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    const HandTable hand = MakeHandTable(12, 3, 2, seed);
    const RankInput input = InputOf(hand, 3);
    double best = 0;
    for (int64_t a = 0; a < 12; ++a) {
      for (int64_t b = a + 1; b < 12; ++b) {
        for (int64_t c = b + 1; c < 12; ++c) {
          best = std::max(best, GainOverRootOfCost(input, {a, b, c}));
        }
      }
    }
    EXPECT_GE(GainOverRootOfCost(input, Rank("lookup_greedy", input).order), 0.95 * best) << seed;
    EXPECT_GE(GainOverRootOfCost(input, Rank("mgral", input).order), 0.95 * best) << seed;
  }
}

TEST(LabelingPriceTest, OfImagesWithAlmostTheSameGainTheCheapOneComesFirst) {
  HandTable hand = MakeHandTable(2, 1, 2, 1);
  hand.table.labeled = {1, 20};
  hand.table.class_ap = {0.5, 0.95};  // objects of the second class bring less, and cost the same
  hand.table.missed = {2, 6, 2, 0};
  hand.table.reach = {0, 0};
  RankInput input = InputOf(hand, 1);
  EXPECT_EQ(Rank("lookup_greedy", input).order.front(), 1);
  input.cost_per_box = 0;
  EXPECT_EQ(Rank("lookup_greedy", input).order.front(), 0) << "boxes are free";
}

// Twenty objects are worth log(21), five log(6), at a third of the cost: more over its root, but
// less of the price that the twenty would have.
TEST(LabelingPriceTest, ADearBatchDoesNotHideACheapOne) {
  HandTable hand = MakeHandTable(2, 1, 1, 1);
  hand.table.labeled = {0};
  hand.table.missed = {20, 5};
  hand.table.reach = {0, 0};
  EXPECT_EQ(Rank("lookup_greedy", InputOf(hand, 1)).order.front(), 1);
}

TEST(LabelingPriceTest, CostsFollowWhatIsExpectedAndNotWhatIsMissed) {
  HandTable hand = MakeHandTable(2, 1, 1, 1);
  hand.table.missed = {2, 2};
  hand.table.reach = {0, 0};
  RankInput input = InputOf(hand, 1);
  input.candidates.expected_objects = {6, 3};
  EXPECT_EQ(Rank("lookup_greedy", input).order.front(), 1);
  input.candidates.expected_objects = {3, 6};
  EXPECT_EQ(Rank("lookup_greedy", input).order.front(), 0);
}

TEST(LabelingPriceTest, NearDuplicatesCostTheSame) {
  HandTable hand = MakeHandTable(3, 1, 1, 1);
  hand.table.group_of = {0, 0, 1};
  hand.table.groups = 2;
  RankInput input = InputOf(hand, 1);
  input.candidates.expected_objects = {1, 5, 2};
  const std::vector<double> price = LabelingPrices(input);
  ASSERT_EQ(price.size(), 3u);
  EXPECT_EQ(price[0], price[1]);
  EXPECT_DOUBLE_EQ(price[2] / price[0], (2.0 + 2) / (2 + 3));
}

TEST(LabelingPriceTest, ThePriceOfABatchIsHalfItsGain) {
  const HandTable hand = MakeHandTable(60, 5, 3, 2);
  const RankInput input = InputOf(hand, 10);
  const std::vector<double> price = LabelingPrices(input);
  ASSERT_EQ(price.size(), 60u);
  double paid = 0;
  const std::vector<int64_t> batch = Rank("lookup_greedy", input).order;
  for (const int64_t image : batch) {
    paid += price[image];
    EXPECT_NEAR(price[image] / CostOf(input, image), price[0] / CostOf(input, 0), 1e-12);
  }
  // Greedy does not find the best batch at each price, so the search may end next to it.
  EXPECT_NEAR(paid, GainOf(hand.table, batch) / 2, 0.1 * paid);
}

TEST(LabelingPriceTest, LaterBatchesAreNotOfEmptyImages) {
  HandTable hand = MakeHandTable(40, 1, 1, 1);
  hand.table.labeled = {1};
  hand.table.weights = {0.5, 0};  // growth alone
  for (int64_t i = 0; i < 40; ++i) hand.table.missed[i] = i < 20 ? 4.0f : 0.0f;
  RankInput input = InputOf(hand, 5);
  input.limit = 10;
  for (const char* strategy : {"lookup_greedy", "mgral"}) {
    const std::vector<int64_t> order = Rank(strategy, input).order;
    ASSERT_EQ(order.size(), 10u);
    const auto crowded =
        std::count_if(order.begin() + 5, order.end(), [](int64_t image) { return image < 20; });
    EXPECT_GE(crowded, 3) << strategy << ": at the price of the first batch there were none";
  }
}

TEST(LabelingPriceTest, NothingHasAPriceWhereItDoesNotMatter) {
  const HandTable hand = MakeHandTable(20, 4, 2, 1);
  RankInput input = InputOf(hand, 5);
  input.cost_per_box = 0;
  EXPECT_TRUE(LabelingPrices(input).empty()) << "every image costs the same";
  input.cost_per_image = 0;
  EXPECT_TRUE(LabelingPrices(input).empty()) << "labels are free";
  input = InputOf(MakeHandTable(0, 4, 2, 1), 5);
  EXPECT_TRUE(LabelingPrices(input).empty()) << "nothing is left to label";
  HandTable nothing = hand;
  std::fill(nothing.table.missed.begin(), nothing.table.missed.end(), 0.0f);
  std::fill(nothing.table.reach.begin(), nothing.table.reach.end(), 0.0f);
  input = InputOf(nothing, 5);
  input.candidates.expected_objects = hand.table.missed;
  EXPECT_TRUE(LabelingPrices(input).empty()) << "nothing is missed anywhere";
}

TEST(LabelingPriceTest, WithoutACostPerImageEmptyOnesAreNotChosenAllTheSame) {
  HandTable hand = MakeHandTable(20, 2, 2, 1);
  std::fill_n(hand.table.missed.begin(), 5 * 2, 0.0f);
  std::fill(hand.table.reach.begin(), hand.table.reach.end(), 0.0f);
  RankInput input = InputOf(hand, 5);
  input.cost_per_image = 0;  // images 0 to 4 cost nothing and bring nothing
  for (const double price : LabelingPrices(input)) EXPECT_TRUE(std::isfinite(price));
  for (const int64_t image : Rank("lookup_greedy", input).order) EXPECT_GE(image, 5);
}

TEST(LabelingPriceTest, BadInputIsRefusedByName) {
  EXPECT_THROW(LabelingPrices(RankInput()), std::invalid_argument);
  RankInput input = InputOf(MakeHandTable(4, 2, 1, 1), 2);
  input.candidates.expected_objects.pop_back();
  EXPECT_THROW(LabelingPrices(input), std::invalid_argument);
  for (const float bad : {-1.0f, std::nanf(""), INFINITY}) {
    input = InputOf(MakeHandTable(4, 2, 1, 1), 2);
    input.candidates.expected_objects[2] = bad;
    EXPECT_THROW(LabelingPrices(input), std::invalid_argument) << bad;
  }
  input = InputOf(MakeHandTable(4, 2, 1, 1), 2);
  input.cost_per_box = -1;
  EXPECT_THROW(LabelingPrices(input), std::invalid_argument);
  input.cost_per_box = std::nan("");
  EXPECT_THROW(LabelingPrices(input), std::invalid_argument);
}

}  // namespace
}  // namespace mgral::core
