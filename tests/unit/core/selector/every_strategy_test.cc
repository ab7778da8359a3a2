// What holds for the order of every strategy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "server/core/random.h"
#include "server/core/selector/strategies.h"
#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

using testing::IsEmpty;

class EveryStrategyTest : public testing::TestWithParam<std::string> {
 protected:
  // Everything that a strategy may ask for, of `images` that differ, or that are all alike.
  static RankInput Pool(int64_t images, bool alike) {
    constexpr int64_t kClasses = 3;
    const HandTable hand = MakeHandTable(images, 5, kClasses, 4);
    RankInput input;
    ImageSignals& candidates = input.candidates;
    candidates.images = images;
    candidates.classes = kClasses;
    candidates.dim = hand.table.cells.dim;
    candidates.embeddings = hand.embeddings;
    if (alike) candidates.embeddings.assign(hand.embeddings.size(), 0.25f);
    RandomStream random(9);
    for (int64_t i = 0; i < images; ++i) {
      std::vector<ScoredBox> found;
      for (int64_t k = 0; k < (alike ? 2 : random.Below(4)); ++k) {
        const double score = alike ? 0.4 : random.Uniform();
        found.push_back(
            {0, 0, 10, 10, static_cast<int32_t>(alike ? k : random.Below(kClasses)), score});
      }
      for (int64_t c = 0; c < kClasses; ++c) {
        const float objects = alike ? 1.0f : static_cast<float>(random.Uniform());
        candidates.expected_objects.push_back(objects);
        candidates.uncertainty.push_back(objects / 2);
      }
      input.predictions.push_back(found);
    }
    input.labeled_objects.assign(kClasses, 4.0);
    input.class_ap.assign(kClasses, 0.5);
    if (images > 0) {
      input.labeled_embeddings.assign(candidates.embeddings.begin(),
                                      candidates.embeddings.begin() + candidates.dim);
    }
    input.table = hand.table;
    input.batch_size = 6;
    input.limit = images;
    input.seed = 11;
    return input;
  }
};

TEST_P(EveryStrategyTest, RanksEveryImageOnceAndTheSameEachTime) {
  for (const bool alike : {false, true}) {
    const RankInput input = Pool(60, alike);
    const std::vector<int64_t> order = Rank(GetParam(), input).order;
    EXPECT_EQ(order.size(), 60u);
    EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 60u);
    EXPECT_EQ(*std::min_element(order.begin(), order.end()), 0);
    EXPECT_EQ(*std::max_element(order.begin(), order.end()), 59);
    EXPECT_EQ(Rank(GetParam(), input).order, order);
  }
}

TEST_P(EveryStrategyTest, AShorterRankingIsTheBeginningOfALongerOne) {
  if (GetParam() == "mgral") GTEST_SKIP() << "it trains for the length that is asked for";
  for (const bool alike : {false, true}) {
    RankInput input = Pool(60, alike);
    const std::vector<int64_t> all = Rank(GetParam(), input).order;
    for (const int64_t limit : {1, 5, 6, 13, 59, 100}) {
      input.limit = limit;
      const std::vector<int64_t> order = Rank(GetParam(), input).order;
      EXPECT_EQ(order,
                std::vector<int64_t>(all.begin(), all.begin() + std::min<int64_t>(limit, 60)))
          << limit;
    }
  }
}

TEST_P(EveryStrategyTest, NoImagesAndALimitOfNoneGiveNone) {
  EXPECT_THAT(Rank(GetParam(), Pool(0, false)).order, IsEmpty());
  RankInput input = Pool(20, false);
  input.limit = 0;
  EXPECT_THAT(Rank(GetParam(), input).order, IsEmpty());
  input.limit = -1;
  EXPECT_THROW(Rank(GetParam(), input), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Strategies, EveryStrategyTest, testing::ValuesIn(StrategyNames()));

}  // namespace
}  // namespace mgral::core
