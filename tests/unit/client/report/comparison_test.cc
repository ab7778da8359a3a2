#include "client/cpp/report/comparison.h"

#include <map>

#include "client/cpp/report/curve.h"
#include "client/cpp/report/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Optional;

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

// A run whose images hold `boxes` each, at 2 s an image and 1 s a box.
StrategyRun MakeCostedRun(const std::string& strategy, int64_t seed, const Curve& curve,
                          double boxes) {
  StrategyRun run = MakeRun(strategy, seed, curve);
  for (CurvePoint& point : run.points) {
    point.boxes = 10 + boxes * static_cast<double>(point.labels - 10);
    point.cost = 2 * static_cast<double>(point.labels) + *point.boxes;
  }
  return run;
}

TEST(Summarize, ListsStrategiesInTheProtocolsOrder) {
  Results results;
  results.runs = {MakeRun("entropy", 1, {{10, 0.2}}), MakeRun("random", 1, {{10, 0.2}}),
                  MakeRun("mgral", 1, {{10, 0.2}})};
  EXPECT_THAT(StrategyNames(results), ElementsAre("entropy", "random", "mgral"));
  results.protocol["strategies"] = {"mgral", "random"};
  EXPECT_THAT(StrategyNames(results), ElementsAre("mgral", "random", "entropy"));
}

TEST(Summarize, PairsSeedsAndMatchesRandom) {
  Results results;
  results.runs = {MakeRun("mgral", 1, {{10, 0.2}, {20, 0.6}, {30, 0.8}}),
                  MakeRun("random", 1, {{10, 0.2}, {20, 0.4}, {30, 0.6}}),
                  MakeRun("mgral", 2, {{10, 0.3}, {20, 0.6}, {30, 0.7}}),
                  MakeRun("random", 2, {{10, 0.3}, {20, 0.4}, {30, 0.5}})};
  Summarize(&results);
  const std::vector<StrategySummary>& summary = results.summary;
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
  Summarize(&results);
  EXPECT_TRUE(results.summary.empty());
  results.runs = {MakeRun("mgral", 1, {{10, 0.2}, {20, 0.6}}), MakeRun("random", 1, {{10, 0.2}})};
  results.runs[1].complete = false;
  Summarize(&results);
  const std::vector<StrategySummary>& summary = results.summary;
  EXPECT_TRUE(summary[0].aulc.has_value());
  EXPECT_EQ(summary[0].aulc_ci95, std::nullopt);
  EXPECT_EQ(summary[0].labels_to_match_random, std::nullopt);
  EXPECT_EQ(summary[1].seeds, 0);
  EXPECT_EQ(summary[1].aulc, std::nullopt);
}

// The crowded strategy learns the same from each image, and hands out three times the boxes.
TEST(AreasOf, OverBoxesAndCostTheRangeThatAllStrategiesOfASeedShare) {
  Results results;
  results.runs = {MakeCostedRun("entropy", 1, {{10, 0.2}, {20, 0.4}, {30, 0.6}}, 3),
                  MakeCostedRun("random", 1, {{10, 0.2}, {20, 0.4}, {30, 0.6}}, 1)};
  const Areas images = AreasOf(results, Axis::kImages);
  EXPECT_NEAR(images.at("entropy").at(1), images.at("random").at(1), 1e-12);
  // Both from 10 to 30 boxes: entropy gets to 0.2 + 0.4 / 3 there, random to 0.6.
  const Areas boxes = AreasOf(results, Axis::kBoxes);
  EXPECT_NEAR(boxes.at("random").at(1), 0.4, 1e-12);
  EXPECT_NEAR(boxes.at("entropy").at(1), 0.2 + 0.4 / 6, 1e-12);
  // From 30 to 90 s; entropy is there after 12 of its 20 images.
  const Areas cost = AreasOf(results, Axis::kCost);
  EXPECT_NEAR(cost.at("random").at(1), 0.4, 1e-12);
  EXPECT_NEAR(cost.at("entropy").at(1), 0.2 + 0.24 / 2, 1e-12);
}

TEST(PrimaryAxis, IsCostWhereBoxesWereCounted) {
  Results results;
  results.runs = {MakeCostedRun("random", 1, {{10, 0.2}}, 3)};
  EXPECT_EQ(PrimaryAxis(results), Axis::kCost);
  results.runs.push_back(MakeRun("mgral", 1, {{10, 0.2}}));
  EXPECT_EQ(PrimaryAxis(results), Axis::kImages);
}

// Curves of two points from 10 to 20 labels, with which the area's differences to random are
// d = (0.021, 0.008, 0.035, −0.004, 0.017) for entropy and 10 d + 0.1 for mgral.
Results FiveSeeds() {
  const double differences[] = {0.021, 0.008, 0.035, -0.004, 0.017};
  Results results;
  for (int seed = 1; seed <= 5; ++seed) {
    const double d = differences[seed - 1];
    const double random = 0.3 + 0.02 * seed;
    results.runs.push_back(
        MakeRun("mgral", seed, {{10, 0.2}, {20, 2 * (random + 10 * d + 0.1) - 0.2}}));
    results.runs.push_back(MakeRun("entropy", seed, {{10, 0.2}, {20, 2 * (random + d) - 0.2}}));
    results.runs.push_back(MakeRun("random", seed, {{10, 0.2}, {20, 2 * random - 0.2}}));
  }
  return results;
}

// scipy.stats: ttest_1samp(d, 0).pvalue = 0.077378, ttest_1samp(10 d + 0.1, 0).pvalue = 0.017571,
// t.interval(0.975, 4, mean, sem) of the latter (0.026235, 0.481765).
TEST(CompareStrategies, AgainstRandomByHolm) {
  Results results = FiveSeeds();
  CompareStrategies(&results);
  const Comparison* mgral = FindComparison(results.against_random, Axis::kImages, "mgral");
  const Comparison* entropy = FindComparison(results.against_random, Axis::kImages, "entropy");
  ASSERT_TRUE(mgral != nullptr && entropy != nullptr);
  EXPECT_EQ(entropy->seeds, 5);
  EXPECT_THAT(entropy->mean, Optional(DoubleNear(0.0154, 1e-12)));
  EXPECT_THAT(entropy->p, Optional(DoubleNear(0.0773784655641, 1e-9)));
  EXPECT_THAT(entropy->p_holm, Optional(DoubleNear(0.0773784655641, 1e-9)));
  EXPECT_FALSE(entropy->significant);
  EXPECT_LT(entropy->t_holm->low, 0);
  EXPECT_EQ(VerdictOf(*entropy), "not settled");
  EXPECT_THAT(mgral->p, Optional(DoubleNear(0.017570924226, 1e-9)));
  EXPECT_THAT(mgral->p_holm, Optional(DoubleNear(2 * 0.017570924226, 1e-9)));
  EXPECT_NEAR(mgral->t_holm->low, 0.0262346718, 1e-9);
  EXPECT_NEAR(mgral->t_holm->high, 0.4817653282, 1e-9);
  EXPECT_TRUE(mgral->significant);
  EXPECT_EQ(VerdictOf(*mgral), "better");
}

TEST(CompareStrategies, AgainstTheBestBaselineAndWinsByPairs) {
  Results results = FiveSeeds();
  CompareStrategies(&results);
  ASSERT_EQ(results.against_best_baseline.size(), 2u);  // mgral and random, against entropy
  EXPECT_EQ(results.against_best_baseline[0].strategy, "mgral");
  EXPECT_EQ(results.against_best_baseline[0].baseline, "entropy");
  EXPECT_THAT(results.against_best_baseline[1].mean, Optional(DoubleNear(-0.0154, 1e-12)));
  ASSERT_EQ(results.win_matrices.size(), 1u);
  const WinMatrix& matrix = results.win_matrices[0];
  EXPECT_THAT(matrix.strategies, ElementsAre("mgral", "entropy", "random"));
  EXPECT_THAT(matrix.wins[1][2], Optional(0.8));
  EXPECT_THAT(matrix.wins[2][1], Optional(0.2));
  EXPECT_THAT(matrix.wins[0][2], Optional(1.0));
  EXPECT_EQ(matrix.wins[0][0], std::nullopt);
  EXPECT_FALSE(matrix.significant[1][2]);
  EXPECT_FALSE(matrix.significant[2][0]);
}

TEST(CompareStrategies, ControlsAndVariantsOfTheTableAreNoBaselines) {
  for (const auto& [label, spec] : std::map<std::string, std::string>{
           {"prior", "mgral:replay_probes=-1"}, {"true_counts", "true_counts"}}) {
    Results results = FiveSeeds();
    for (StrategyRun& run : results.runs) {
      if (run.strategy == "entropy") run.strategy = label;
    }
    results.protocol["variants"] = {{label, spec}};
    CompareStrategies(&results);
    EXPECT_TRUE(results.against_best_baseline.empty()) << label;
    EXPECT_NE(FindComparison(results.against_random, Axis::kImages, label), nullptr);
  }
}

TEST(StrategyOf, IsTheLabelWhereTheProtocolSaysNothingUsable) {
  Results results;
  for (const char* variants : {"null", "[]", "3", "{}", R"({"few": 3})", R"({"other": "mgral"})"}) {
    results.protocol["variants"] = nlohmann::ordered_json::parse(variants);
    EXPECT_EQ(StrategyOf(results, "few"), "few") << variants;
  }
  results.protocol["variants"] = {{"few", "mgral:replay_probes=8"}};
  EXPECT_EQ(StrategyOf(results, "few"), "mgral");
}

TEST(CompareStrategies, ATieIsCalledATieAndOneSeedNothing) {
  Results results;
  const double differences[] = {0.002, -0.003, 0.001, 0.004, -0.001, 0.0};
  for (int seed = 1; seed <= 6; ++seed) {
    results.runs.push_back(
        MakeRun("mgral", seed, {{10, 0.2}, {20, 0.4 + 2 * differences[seed - 1]}}));
    results.runs.push_back(MakeRun("random", seed, {{10, 0.2}, {20, 0.4}}));
  }
  CompareStrategies(&results);
  EXPECT_EQ(VerdictOf(results.against_random.at(0)), "a tie");
  results.runs.resize(2);
  CompareStrategies(&results);
  EXPECT_EQ(results.against_random.at(0).p_holm, std::nullopt);
  EXPECT_EQ(VerdictOf(results.against_random.at(0)), "one seed shows nothing");
}

}  // namespace
}  // namespace mgral::client
