#include "client/cpp/fidelity/agreement.h"

#include <cmath>
#include <numeric>

#include "client/cpp/report/statistics.h"
#include "client/cpp/synth/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Optional;

TEST(PartialRankCorrelation, ByHand) {
  const Values a = {1, 2, 3, 4}, b = {1, 2, 4, 3}, given = {2, 1, 4, 3};
  ASSERT_THAT(RankCorrelation(a, b), Optional(DoubleNear(0.8, 1e-12)));
  ASSERT_THAT(RankCorrelation(a, given), Optional(DoubleNear(0.6, 1e-12)));
  ASSERT_THAT(RankCorrelation(b, given), Optional(DoubleNear(0.8, 1e-12)));
  EXPECT_THAT(PartialRankCorrelation(a, b, given),
              Optional(DoubleNear((0.8 - 0.6 * 0.8) / std::sqrt(0.64 * 0.36), 1e-12)));
  EXPECT_EQ(PartialRankCorrelation(a, b, a), std::nullopt);
  EXPECT_EQ(PartialRankCorrelation(a, b, {5, 5, 5, 5}), std::nullopt);
}

TEST(RankCorrelationWithin, LeavesOutWhatDiffersBetweenGroups) {
  const Values a = {1, 2, 3, 11, 12, 13}, b = {3, 2, 1, 13, 12, 11};
  EXPECT_GT(*RankCorrelation(a, b), 0);
  EXPECT_THAT(RankCorrelationWithin(a, b, {0, 0, 0, 1, 1, 1}), Optional(DoubleNear(-1, 1e-12)));
  // A group of two is left out; the larger of the others weighs more: (3 * 1 - 4 * 1) / 7.
  EXPECT_THAT(RankCorrelationWithin({1, 2, 3, 1, 2, 3, 4, 0, 9}, {1, 2, 3, 4, 3, 2, 1, 9, 0},
                                    {0, 0, 0, 1, 1, 1, 1, 2, 2}),
              Optional(DoubleNear(-1.0 / 7, 1e-12)));
  EXPECT_EQ(RankCorrelationWithin({1, 2}, {1, 2}, {0, 1}), std::nullopt);
}

TEST(Terciles, ByRank) {
  EXPECT_THAT(Terciles({9, 1, 5, 2, 8, 4}), ElementsAre(2, 0, 1, 0, 2, 1));
  EXPECT_THAT(Terciles({7, 7, 7, 7}), ElementsAre(0, 0, 1, 2));
  EXPECT_TRUE(Terciles({}).empty());
}

TEST(Ceiling, SpearmanBrown) {
  EXPECT_THAT(Ceiling(0.5, 1), Optional(DoubleNear(std::sqrt(0.5), 1e-12)));
  EXPECT_THAT(Ceiling(0.5, 2), Optional(DoubleNear(std::sqrt(2.0 / 3), 1e-12)));
  EXPECT_THAT(Ceiling(1, 3), Optional(1));
  EXPECT_EQ(Ceiling(0, 2), std::nullopt);
  EXPECT_EQ(Ceiling(-0.2, 2), std::nullopt);
  EXPECT_EQ(Ceiling(std::nullopt, 2), std::nullopt);
}

TEST(Regress, LeastSquares) {
  const Regression regression = Regress({1, 2, 3}, {3, 5, 10});
  EXPECT_THAT(regression.through_origin, Optional(DoubleNear(43.0 / 14, 1e-12)));
  EXPECT_THAT(regression.slope, Optional(DoubleNear(3.5, 1e-12)));
  EXPECT_THAT(regression.intercept, Optional(DoubleNear(-1, 1e-12)));
  EXPECT_EQ(Regress({2, 2}, {1, 3}).slope, std::nullopt);
  EXPECT_EQ(Regress({0, 0}, {1, 3}).through_origin, std::nullopt);
}

TruthSample OfReal(Values estimate, Values real) {
  TruthSample sample;
  sample.estimate = std::move(estimate);
  sample.real = std::move(real);
  sample.standard_error = Values(sample.size(), 0.01);
  sample.images.resize(sample.size());
  std::iota(sample.images.begin(), sample.images.end(), 1);
  sample.boxes = sample.images;
  return sample;
}

TEST(ChoicesBySize, AmongBatchesOfLikeSize) {
  const TruthSample sample = OfReal({0.3, 0.1, 0.2, 0.9, 0.8, 0.7}, {1, 3, 2, 6, 5, 4});
  const auto choices = ChoicesBySize(sample);  // of two batches each
  EXPECT_DOUBLE_EQ(choices[0].chosen, 1);
  EXPECT_DOUBLE_EQ(choices[0].mean, 2);
  EXPECT_DOUBLE_EQ(choices[0].best, 3);
  EXPECT_DOUBLE_EQ(choices[1].chosen, 6);
  EXPECT_DOUBLE_EQ(choices[1].mean, 4);
  EXPECT_DOUBLE_EQ(choices[2].chosen, 5);
  EXPECT_DOUBLE_EQ(choices[2].best, 5);
}

TEST(CoverageOf95, WithAndWithoutNoise) {
  const TruthSample sample = OfReal({0, 0, 0, 0}, {0.0195, -0.0195, 0.0197, 0.1});
  EXPECT_THAT(CoverageOf95(sample, 0), Optional(0.5));
  EXPECT_THAT(CoverageOf95(sample, 0.0001), Optional(0.75));
  EXPECT_THAT(CoverageOf95(sample, 1), Optional(1));
}

double Normal(SeededRandom& random) {
  return std::sqrt(-2 * std::log(1 - random.Uniform())) * std::cos(2 * M_PI * random.Uniform());
}

struct Spreads {
  double training = 0;  // luck of a training, on all test images
  double half = 0;      // of the choice of half of the test images
  double both = 0;      // of a training, on one half only
};

// True gains of variance 1, and an estimate that correlates with them as told.
TruthSample Simulated(int batches, int seeds, double correlation, const Spreads& spreads) {
  SeededRandom random(7);
  TruthSample sample;
  Values gains;
  std::vector<std::array<double, 2>> halves;
  for (int i = 0; i < batches; ++i) {
    gains.push_back(Normal(random));
    halves.push_back({spreads.half * Normal(random), spreads.half * Normal(random)});
    sample.estimate.push_back(correlation * gains.back() +
                              std::sqrt(1 - correlation * correlation) * Normal(random));
    sample.images.push_back(i % 45 + 5);
  }
  sample.standard_error = Values(gains.size());
  sample.boxes = sample.images;
  sample.real = Values(gains.size());
  for (int seed = 0; seed < seeds; ++seed) {
    auto& parts = sample.gains.emplace_back();
    for (size_t i = 0; i < gains.size(); ++i) {
      const double luck = spreads.training * Normal(random);
      for (size_t half = 0; half < 2; ++half) {
        parts[half].push_back(gains[i] + luck + halves[i][half] + spreads.both * Normal(random));
      }
      parts[kAllTest].push_back((parts[0][i] + parts[1][i]) / 2);
      sample.real[i] += parts[kAllTest][i] / seeds;
    }
  }
  return sample;
}

// Spearman's correlation of normal variables with this one of Pearson.
double OfNormal(double pearson) { return 6 / M_PI * std::asin(pearson / 2); }

TEST(Disattenuation, FindsTheCorrelationBehindTheNoise) {
  for (const double training : {0.5, 1.0, 2.0}) {
    const TruthSample sample = Simulated(4000, 2, 0.6, {training, 0, 0});
    const double reliability = 1 / (1 + training * training);
    const Number r = TestRetest(sample);
    EXPECT_THAT(r, Optional(DoubleNear(OfNormal(reliability), 0.03))) << training;
    const double rank = *RankCorrelation(sample.estimate, sample.real);
    EXPECT_NEAR(rank, OfNormal(0.6 / std::sqrt(1 + training * training / 2)), 0.03);
    EXPECT_NEAR(rank / *Ceiling(r, 2), OfNormal(0.6), 0.04) << training;
  }
}

TEST(Disattenuation, APerfectEstimateReachesTheCeiling) {
  const TruthSample sample = Simulated(4000, 2, 1, {0.7, 0.7, 0});
  const double rank = *RankCorrelation(sample.estimate, sample.real);
  EXPECT_LT(rank, 0.85);
  EXPECT_NEAR(rank / *Ceiling(TestRetest(sample), 2), 1, 0.03);
}

TEST(TestRetest, CrossesSeedsAndHalves) {
  TruthSample sample;
  sample.gains = {{Values{1, 2, 3}, Values{1, 2, 3}, {}}, {Values{3, 2, 1}, Values{1, 3, 2}, {}}};
  // First half of the one with the second half of the other: 0.5 and -1.
  EXPECT_THAT(TestRetest(sample), Optional(DoubleNear(-0.25, 1e-12)));
  sample.gains.pop_back();
  EXPECT_THAT(TestRetest(sample), Optional(1));
  EXPECT_EQ(TestRetest(TruthSample()), std::nullopt);
}

TEST(EstimateNoise, SeparatesSeedsAndHalves) {
  TruthSample sample = Simulated(4000, 3, 0.5, {0.5, 0.8, 0.6});
  sample.bases = {0.1, 0.2, 0.3};
  const TruthNoise noise = *EstimateNoise(sample);
  // Of the mean of three seeds on both halves.
  const double of_seeds = 0.25 / 3, of_halves = 0.64 / 2, of_both = 0.36 / 6;
  EXPECT_NEAR(noise.of_batch, of_seeds + of_halves + of_both, 0.02);
  EXPECT_NEAR(noise.of_base, 0.01 / 3, 1e-9);
}

TEST(EstimateNoise, OneSeedTellsOnlyOfTheHalves) {
  const TruthNoise noise = *EstimateNoise(Simulated(4000, 1, 0.5, {0.5, 0.8, 0}));
  EXPECT_NEAR(noise.of_batch, 0.64 / 2, 0.02);
  EXPECT_EQ(noise.of_base, 0);
}

TEST(EstimateNoise, MakesIntervalsOfAPerfectTableHold) {
  TruthSample sample = Simulated(4000, 2, 1, {0.5, 0.5, 0});
  EXPECT_LT(*CoverageOf95(sample, 0), 0.01);
  EXPECT_NEAR(*CoverageOf95(sample, EstimateNoise(sample)->of_batch), 0.95, 0.01);
}

TEST(Bootstrap, IntervalOfTheCorrelationAndAlwaysTheSame) {
  const TruthSample sample = Simulated(60, 2, 0.8, {0.5, 0.3, 0});
  const auto rank = [](const TruthSample& each) {
    return RankCorrelation(each.estimate, each.real);
  };
  const Figure figure = Bootstrap(sample, true, rank);
  EXPECT_EQ(figure.value, rank(sample));
  ASSERT_TRUE(figure.ci95.has_value());
  EXPECT_LT(figure.ci95->low, *figure.value);
  EXPECT_GT(figure.ci95->high, *figure.value);
  EXPECT_GT(figure.ci95->low, 0.3);
  const Figure again = Bootstrap(sample, true, rank);
  EXPECT_EQ(again.ci95->low, figure.ci95->low);
  // Halves that disagree widen it.
  const Figure batches = Bootstrap(sample, false, rank);
  EXPECT_LT(batches.ci95->high - batches.ci95->low, figure.ci95->high - figure.ci95->low);
}

TEST(Bootstrap, TheBasesLuckIsInWhatDependsOnIt) {
  TruthSample sample = Simulated(60, 2, 0.8, {0.5, 0.3, 0});
  const auto mean = [](const TruthSample& each) { return Mean(each.real); };
  const auto rank = [](const TruthSample& each) {
    return RankCorrelation(each.estimate, each.real);
  };
  const auto width = [&](const std::function<Number(const TruthSample&)>& statistic) {
    const Figure figure = Bootstrap(sample, true, statistic);
    return figure.ci95->high - figure.ci95->low;
  };
  const double mean_width = width(mean), rank_width = width(rank);
  sample.bases = {-2, 2, -2, 2};
  EXPECT_GT(width(mean), 2 * mean_width);
  EXPECT_NEAR(width(rank), rank_width, 0.1);
}

TEST(Bootstrap, WhatHasNoFigureHasNoInterval) {
  const TruthSample sample = Simulated(20, 2, 0.8, {0.5, 0.3, 0});
  EXPECT_EQ(Bootstrap(sample, true, [](const auto&) { return Number(); }).value, std::nullopt);
  int calls = 0;
  const Figure figure =
      Bootstrap(sample, true, [&](const auto&) { return ++calls % 2 ? Number(1) : Number(); });
  EXPECT_THAT(figure.value, Optional(1));
  EXPECT_FALSE(figure.ci95.has_value());
}

}  // namespace
}  // namespace mgral::client
