#include "client/cpp/report/statistics.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Optional;
using testing::Pair;

StrategyRun MakeRun(const std::string& strategy, int64_t seed, const Curve& curve) {
  StrategyRun run;
  run.strategy = strategy;
  run.seed = seed;
  run.complete = true;
  for (const auto& [labels, map50] : curve) {
    run.points.emplace_back();
    run.points.back().labels = static_cast<int64_t>(labels);
    run.points.back().map50 = map50;
  }
  return run;
}

TEST(AreaUnderCurve, NeedsTwoPoints) {
  EXPECT_EQ(AreaUnderCurve({}), std::nullopt);
  EXPECT_EQ(AreaUnderCurve({{40, 0.5}}), std::nullopt);
  EXPECT_EQ(AreaUnderCurve({{40, 0.5}, {40, 0.6}}), std::nullopt);
}

TEST(AreaUnderCurve, KnownCurves) {
  EXPECT_THAT(AreaUnderCurve({{10, 0.3}, {50, 0.3}}), Optional(DoubleNear(0.3, 1e-12)));
  EXPECT_THAT(AreaUnderCurve({{0, 0.0}, {100, 1.0}}), Optional(DoubleNear(0.5, 1e-12)));
  // Uneven steps: (10·0.2 + 30·0.5) / 40.
  EXPECT_THAT(AreaUnderCurve({{10, 0.1}, {20, 0.3}, {50, 0.7}}),
              Optional(DoubleNear(0.425, 1e-12)));
}

TEST(MeanInterval, OneSeedSaysNothing) {
  EXPECT_EQ(MeanInterval({}), std::nullopt);
  EXPECT_EQ(MeanInterval({0.4}), std::nullopt);
}

TEST(MeanInterval, StudentQuantiles) {
  const Interval two = *MeanInterval({0.4, 0.6});  // s/√n = 0.1
  EXPECT_NEAR(two.low, 0.5 - 1.27062047362, 1e-9);
  EXPECT_NEAR(two.high, 0.5 + 1.27062047362, 1e-9);
  const Interval three = *MeanInterval({1, 2, 3});  // s = 1
  EXPECT_NEAR(three.high - 2, 4.30265272991 / std::sqrt(3.0), 1e-9);
  const Interval same = *MeanInterval({0.5, 0.5, 0.5, 0.5});
  EXPECT_DOUBLE_EQ(same.low, 0.5);
  EXPECT_DOUBLE_EQ(same.high, 0.5);
  std::vector<double> many;  // t(0.975, 99) = 1.984
  for (int i = 0; i < 100; ++i) many.push_back(i % 2);
  const double standard_error = std::sqrt(25.0 / 99.0) / 10;
  EXPECT_NEAR(MeanInterval(many)->high - 0.5, 1.98421695 * standard_error, 1e-9);
}

TEST(LabelsToReach, InterpolatesAndAdmitsNever) {
  const Curve curve = {{40, 0.2}, {60, 0.4}, {80, 0.35}, {100, 0.6}};
  EXPECT_THAT(LabelsToReach(curve, 0.3), Optional(DoubleNear(50, 1e-9)));
  EXPECT_THAT(LabelsToReach(curve, 0.1), Optional(DoubleNear(40, 1e-9)));
  EXPECT_THAT(LabelsToReach(curve, 0.6), Optional(DoubleNear(100, 1e-9)));
  EXPECT_EQ(LabelsToReach(curve, 0.61), std::nullopt);
  EXPECT_EQ(LabelsToReach({}, 0.1), std::nullopt);
}

TEST(RankCorrelation, OrderTiesAndTooFew) {
  EXPECT_EQ(RankCorrelation({{1, 1}, {2, 2}}), std::nullopt);
  EXPECT_EQ(RankCorrelation({{1, 1}, {1, 2}, {1, 3}}), std::nullopt);
  EXPECT_THAT(RankCorrelation({{1, 10}, {2, 20}, {3, 900}}), Optional(DoubleNear(1, 1e-12)));
  EXPECT_THAT(RankCorrelation({{1, 3}, {2, 2}, {3, 1}}), Optional(DoubleNear(-1, 1e-12)));
  // Ranks 0.5 0.5 2 3 against 0 1 2 3.
  EXPECT_THAT(RankCorrelation({{1, 1}, {1, 2}, {2, 3}, {3, 4}}),
              Optional(DoubleNear(4.5 / std::sqrt(4.5 * 5.0), 1e-12)));
}

TEST(MeanCurve, OnlyWhereAllRunsHaveAPoint) {
  const StrategyRun a = MakeRun("x", 1, {{10, 0.2}, {20, 0.4}, {30, 0.6}});
  const StrategyRun b = MakeRun("x", 2, {{10, 0.4}, {20, 0.6}});
  EXPECT_THAT(MeanCurve({&a, &b}),
              ElementsAre(Pair(10, DoubleNear(0.3, 1e-12)), Pair(20, DoubleNear(0.5, 1e-12))));
}

TEST(Summarize, PairsSeedsAndMatchesRandom) {
  Results results;
  results.runs = {MakeRun("mgral", 1, {{10, 0.2}, {20, 0.6}, {30, 0.8}}),
                  MakeRun("random", 1, {{10, 0.2}, {20, 0.4}, {30, 0.6}}),
                  MakeRun("mgral", 2, {{10, 0.3}, {20, 0.6}, {30, 0.7}}),
                  MakeRun("random", 2, {{10, 0.3}, {20, 0.4}, {30, 0.5}})};
  const std::vector<StrategySummary> summary = Summarize(results);
  ASSERT_EQ(summary.size(), 2u);
  EXPECT_EQ(summary[0].strategy, "mgral");
  EXPECT_EQ(summary[0].seeds, 2);
  EXPECT_NEAR(*summary[0].aulc, (0.55 + 0.55) / 2, 1e-12);
  EXPECT_NEAR(*summary[0].aulc_minus_random, (0.15 + 0.15) / 2, 1e-12);
  EXPECT_NEAR(summary[0].aulc_minus_random_ci95->low, 0.15, 1e-12);
  EXPECT_NEAR(*summary[0].final_map50, 0.75, 1e-12);
  // Random ends at 0.55; the mean curve of mgral goes from 0.25 to 0.6 between 10 and 20.
  EXPECT_NEAR(*summary[0].labels_to_match_random, 10 + 10 * 0.30 / 0.35, 1e-9);
  EXPECT_EQ(summary[1].aulc_minus_random, std::nullopt);
  EXPECT_NEAR(*summary[1].labels_to_match_random, 30, 1e-9);
}

TEST(Summarize, LeavesOutWhatIsMissing) {
  Results results;
  EXPECT_TRUE(Summarize(results).empty());
  results.runs = {MakeRun("mgral", 1, {{10, 0.2}, {20, 0.6}}), MakeRun("random", 1, {{10, 0.2}})};
  results.runs[1].complete = false;
  const std::vector<StrategySummary> summary = Summarize(results);
  EXPECT_TRUE(summary[0].aulc.has_value());
  EXPECT_EQ(summary[0].aulc_ci95, std::nullopt);
  EXPECT_EQ(summary[0].labels_to_match_random, std::nullopt);
  EXPECT_EQ(summary[1].seeds, 0);
  EXPECT_EQ(summary[1].aulc, std::nullopt);
}

}  // namespace
}  // namespace mgral::client
