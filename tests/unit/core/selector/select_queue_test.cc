#include "server/core/selector/select_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "server/core/lookup/fit_table.h"
#include "server/core/selector/refine_batch.h"
#include "server/core/selector/rollout.h"
#include "server/core/selector/strategies.h"
#include "server/core/selector/train_policy.h"
#include "tests/unit/core/lookup/planted_pool.h"
#include "tests/unit/core/selector/hand_table.h"

namespace mgral::core {
namespace {

using ::testing::HasSubstr;

SelectorOptions Options(int64_t batch, uint64_t seed = 1, int64_t updates = 0) {
  SelectorOptions options;
  options.batch_size = batch;
  options.queue_limit = batch;
  options.seed = seed;
  options.updates = updates;
  return options;
}

std::vector<int64_t> Prefix(const std::vector<int64_t>& order, int64_t n) {
  return std::vector<int64_t>(order.begin(), order.begin() + n);
}

void ExpectDistinct(const std::vector<int64_t>& order, int64_t images) {
  std::set<int64_t> seen(order.begin(), order.end());
  EXPECT_EQ(seen.size(), order.size());
  if (!seen.empty()) {
    EXPECT_GE(*seen.begin(), 0);
    EXPECT_LT(*seen.rbegin(), images);
  }
}

template <typename Change>
void ExpectRefused(const std::string& field, Change change) {
  HandTable hand = MakeHandTable(10, 2, 2, 1);
  SelectorOptions options = Options(3, 1, 1);
  change(&hand, &options);
  try {
    SelectQueue(hand.table, hand.embeddings, options);
    FAIL() << field << " was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr(field));
  }
}

TEST(SelectQueueTest, RefusesBadInputAndNamesIt) {
  const float nan = std::nanf("");
  ExpectRefused("embeddings", [&](HandTable* h, auto*) { h->embeddings[4] = nan; });
  ExpectRefused("embeddings", [&](HandTable* h, auto*) { h->embeddings.pop_back(); });
  ExpectRefused("missed", [&](HandTable* h, auto*) { h->table.missed[0] = nan; });
  ExpectRefused("weights", [&](HandTable* h, auto*) { h->table.weights[0] = -1; });
  ExpectRefused("tightness", [&](HandTable* h, auto*) { h->table.cells.tightness.clear(); });
  ExpectRefused("batch_size", [&](auto*, SelectorOptions* o) { o->batch_size = 0; });
  ExpectRefused("batch_size", [&](auto*, SelectorOptions* o) { o->batch_size = INT64_MAX; });
  ExpectRefused("queue_limit", [&](auto*, SelectorOptions* o) { o->queue_limit = -1; });
  ExpectRefused("episodes", [&](auto*, SelectorOptions* o) { o->episodes = 1; });
  ExpectRefused("learning_rate", [&](auto*, SelectorOptions* o) { o->learning_rate = nan; });
}

TEST(SelectQueueTest, ReachesTheExactOptimumOnSmallInstances) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const int64_t images = 8 + static_cast<int64_t>(seed % 7), batch = 2 + seed % 4;
    const HandTable hand = MakeHandTable(images, 4, 3, seed);
    const Selection selection = SelectQueue(hand.table, hand.embeddings, Options(batch, seed, 30));
    const double best = ExactOptimum(hand.table, batch);
    EXPECT_GE(GainOf(hand.table, selection.queue.order), 0.98 * best) << seed;
    EXPECT_NEAR(selection.queue.report.gain, GainOf(hand.table, selection.queue.order), 1e-6);
  }
}

TEST(SelectQueueTest, IsAsGoodAsGreedy) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const HandTable hand = MakeHandTable(120, 10, 4, seed);
    const Selection selection = SelectQueue(hand.table, hand.embeddings, Options(15, seed, 30));
    const double greedy = GainOf(hand.table, ContinueLookupGreedy(hand.table, {}, 15));
    EXPECT_NEAR(selection.queue.report.greedy_gain, greedy, 1e-12);
    EXPECT_GE(GainOf(hand.table, selection.queue.order), 0.99 * greedy) << seed;
    EXPECT_GE(selection.queue.report.rollout_gain, 0.9 * greedy) << seed;
  }
}

TEST(SelectQueueTest, TrainingRaisesTheGainOfRollouts) {
  // Without refinement: trained rollouts against those of the initial policy.
  const HandTable hand = MakeHandTable(80, 8, 3, 4);
  const PolicyProblem problem(hand.table, hand.embeddings);
  const auto mean_gain = [&](const PolicyParameters& policy) {
    RandomStream random(9);
    Rollout rollout(problem, policy);
    double sum = 0;
    for (int r = 0; r < 32; ++r) {
      sum +=
          GainOf(hand.table, rollout.Run(BatchState(hand.table), 8, &random, nullptr, false).taken);
    }
    return sum / 32;
  };
  const double before = mean_gain(InitialPolicy(3, 1));
  const double after = mean_gain(TrainPolicy(hand.table, hand.embeddings, Options(8, 1, 120)));
  EXPECT_GT(after, 1.01 * before);
}

TEST(SelectQueueTest, SameSeedSameBatch) {
  PlantedPool pool(80, 2, 6, 3);
  const LookupTable table = FitTable(DescribePool(pool.input));
  const std::vector<float>& embeddings = pool.input.candidates.embeddings;
  const Selection a = SelectQueue(table, embeddings, Options(10, 5, 10));
  const Selection b = SelectQueue(table, embeddings, Options(10, 5, 10));
  EXPECT_EQ(a.queue.order, b.queue.order);
  EXPECT_EQ(a.policy.values, b.policy.values);
  EXPECT_EQ(a.policy.updates, 10);
  const Selection other = SelectQueue(table, embeddings, Options(10, 6, 10));
  EXPECT_NE(a.policy.values, other.policy.values);
}

TEST(SelectQueueTest, PrefixesAreBatches) {
  const HandTable hand = MakeHandTable(90, 9, 3, 7);
  SelectorOptions options = Options(10, 7, 20);
  options.queue_limit = 75;
  const Queue queue = SelectQueue(hand.table, hand.embeddings, options).queue;
  ASSERT_EQ(queue.order.size(), 75u);
  ExpectDistinct(queue.order, 90);
  const std::vector<int64_t> greedy = ContinueLookupGreedy(hand.table, {}, 75);
  for (int64_t n = 1; n <= 75; ++n) {
    EXPECT_GE(GainOf(hand.table, Prefix(queue.order, n)),
              0.95 * GainOf(hand.table, Prefix(greedy, n)))
        << n;
  }
}

TEST(SelectQueueTest, EmptyPoolSmallPoolOneCellOneClass) {
  HandTable none = MakeHandTable(0, 2, 2, 1);
  EXPECT_TRUE(SelectQueue(none.table, none.embeddings, Options(5)).queue.order.empty());
  HandTable no_cells = MakeHandTable(0, 0, 2, 1);
  EXPECT_TRUE(SelectQueue(no_cells.table, no_cells.embeddings, Options(5)).queue.order.empty());
  const HandTable few = MakeHandTable(3, 2, 2, 1);
  const Queue queue = SelectQueue(few.table, few.embeddings, Options(10, 1, 3)).queue;
  EXPECT_EQ(queue.order.size(), 3u);
  ExpectDistinct(queue.order, 3);
  const HandTable one = MakeHandTable(7, 1, 1, 1);
  EXPECT_EQ(SelectQueue(one.table, one.embeddings, Options(4, 1, 3)).queue.order.size(), 4u);
}

TEST(SelectQueueTest, CopiesComeLast) {
  HandTable hand = MakeHandTable(20, 4, 2, 5);
  for (int64_t i = 0; i < 20; ++i) hand.table.group_of[i] = static_cast<int32_t>(i % 8);
  hand.table.groups = 8;
  for (int64_t i = 8; i < 20; ++i) {
    for (int64_t c = 0; c < 2; ++c) {
      hand.table.missed[i * 2 + c] = hand.table.missed[(i % 8) * 2 + c];
    }
    for (int64_t k = 0; k < 4; ++k) hand.table.reach[i * 4 + k] = hand.table.reach[(i % 8) * 4 + k];
  }
  SelectorOptions options = Options(12, 5, 5);
  options.queue_limit = 20;
  const std::vector<int64_t> order = SelectQueue(hand.table, hand.embeddings, options).queue.order;
  ASSERT_EQ(order.size(), 20u);
  ExpectDistinct(order, 20);
  std::set<int32_t> groups;
  for (int64_t n = 0; n < 8; ++n) groups.insert(hand.table.group_of[order[n]]);
  EXPECT_EQ(groups.size(), 8u);
}

TEST(SelectQueueTest, CancelsBetweenUpdatesAndReportsProgress) {
  const HandTable hand = MakeHandTable(30, 3, 2, 2);
  double last = -1;
  TrainPolicy(hand.table, hand.embeddings, Options(5, 1, 8), {}, [&](double fraction) {
    EXPECT_GT(fraction, last);
    last = fraction;
    return true;
  });
  EXPECT_GT(last, 0.8);
  EXPECT_THROW(SelectQueue(hand.table, hand.embeddings, Options(5, 1, 8), {},
                           [](double fraction) { return fraction < 0.5; }),
               Canceled);
}

TEST(SelectQueueTest, WarmStartGoesOnAndForeignClassesAreIgnored) {
  const HandTable hand = MakeHandTable(30, 3, 2, 2);
  const PolicyParameters first = TrainPolicy(hand.table, hand.embeddings, Options(5, 1, 4));
  const PolicyParameters second = TrainPolicy(hand.table, hand.embeddings, Options(5, 1, 4), first);
  EXPECT_EQ(second.updates, 8);
  const PolicyParameters foreign = InitialPolicy(7, 1);
  EXPECT_EQ(TrainPolicy(hand.table, hand.embeddings, Options(5, 1, 4), foreign).values,
            first.values);
  EXPECT_EQ(DecodeQueue(hand.table, hand.embeddings, foreign, Options(5, 1)).order.size(), 5u);
}

TEST(PolicyTest, RoundTripAndHostileBytes) {
  const PolicyParameters policy = InitialPolicy(3, 4);
  const std::string bytes = policy.Serialize();
  EXPECT_EQ(PolicyParameters::Parse(bytes).values, policy.values);
  EXPECT_TRUE(PolicyParameters::Parse(PolicyParameters().Serialize()).empty());
  std::string earlier = bytes;
  earlier[4] = 1;  // version
  EXPECT_THROW(PolicyParameters::Parse(earlier), std::invalid_argument);
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 10) {
    EXPECT_THROW(PolicyParameters::Parse(bytes.substr(0, length)), std::invalid_argument);
  }
  RandomStream random(2);
  for (int attempt = 0; attempt < 500; ++attempt) {
    std::string changed = bytes;
    changed[random.Below(40)] = static_cast<char>(random.Below(256));
    try {
      PolicyParameters::Parse(changed);
    } catch (const std::invalid_argument&) {
    }
  }
}

TEST(RefineTest, NeverWorseAndOrderKeepsTheBatch) {
  const HandTable hand = MakeHandTable(60, 6, 2, 3);
  RandomStream random(1);
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::vector<int64_t> batch(60);
    std::iota(batch.begin(), batch.end(), 0);
    RandomStream(attempt).Shuffle(&batch);
    batch.resize(7);
    BatchState base(hand.table);
    base.Add(random.Below(60));
    std::vector<int64_t> open;
    for (int64_t i : batch) {
      if (!base.Taken(i)) open.push_back(i);
    }
    const auto gain = [&](const std::vector<int64_t>& images) {
      BatchState state = base;
      for (int64_t i : images) state.Add(i);
      return state.Gain();
    };
    const std::vector<int64_t> refined = RefineBatch(base, open);
    EXPECT_GE(gain(refined), gain(open) - 1e-12);
    EXPECT_EQ(refined.size(), open.size());
    for (int64_t i : refined) EXPECT_FALSE(base.Taken(i));
    std::vector<int64_t> ordered = OrderBatch(base, refined);
    EXPECT_EQ(std::set<int64_t>(ordered.begin(), ordered.end()),
              std::set<int64_t>(refined.begin(), refined.end()));
  }
}

}  // namespace
}  // namespace mgral::core
