#include "client/cpp/report/statistics.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::DoubleNear;
using testing::Optional;

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

// Of these differences, scipy.stats says ttest_1samp(d, 0).pvalue and t.interval(c, 4, mean, sem).
const std::vector<double>& Differences() {
  static const auto* differences = new std::vector<double>{0.021, 0.008, 0.035, -0.004, 0.017};
  return *differences;
}

TEST(MeanInterval, AsScipyHasIt) {
  const Interval wide = *MeanInterval(Differences());
  EXPECT_NEAR(wide.low, -0.0026916878578, 1e-12);
  EXPECT_NEAR(wide.high, 0.0334916878578, 1e-12);
  const Interval narrow = *MeanInterval(Differences(), 0.90);
  EXPECT_NEAR(narrow.low, 0.00150860108256, 1e-9);
  EXPECT_NEAR(narrow.high, 0.0292913989174, 1e-9);
  EXPECT_NEAR(MeanInterval(Differences(), 1 - 0.05 / 4)->low, -0.0127148762152, 1e-12);
}

TEST(PairedPValue, AsScipyHasIt) {
  EXPECT_THAT(PairedPValue(Differences()), Optional(DoubleNear(0.0773784655641, 1e-12)));
  EXPECT_THAT(PairedPValue({0.002, -0.003, 0.001, 0.004, -0.001, 0.0}),
              Optional(DoubleNear(0.635534919538, 1e-12)));
  EXPECT_EQ(PairedPValue({0.02}), std::nullopt);
  EXPECT_THAT(PairedPValue({0.02, 0.02, 0.02}), Optional(0.0));
  EXPECT_THAT(PairedPValue({0.0, 0.0}), Optional(1.0));
}

// numpy.percentile([2.5, 97.5]) of the means of 2,000,000 draws: 0.0038 and 0.0268.
TEST(BootstrapInterval, CloseToManyMoreDrawsAndAlwaysTheSame) {
  const Interval interval = *BootstrapInterval(Differences());
  EXPECT_NEAR(interval.low, 0.0038, 0.0005);
  EXPECT_NEAR(interval.high, 0.0268, 0.0005);
  EXPECT_EQ(BootstrapInterval(Differences())->low, interval.low);
  EXPECT_EQ(BootstrapInterval({0.02}), std::nullopt);
  EXPECT_DOUBLE_EQ(BootstrapInterval({0.5, 0.5})->high, 0.5);
}

// By hand: 5·0.001, 4·0.012, 3·0.02, 2·0.04, 0.3, each at least the one before.
TEST(Holm, CorrectsStepByStep) {
  const std::vector<HolmAdjusted> adjusted = Holm({0.04, 0.001, 0.02, 0.3, 0.012});
  const std::vector<double> expected = {0.08, 0.005, 0.06, 0.3, 0.048};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(adjusted[i].p, expected[i], 1e-12) << i;
  EXPECT_NEAR(adjusted[1].confidence, 1 - 0.05 / 5, 1e-12);
  EXPECT_NEAR(adjusted[4].confidence, 1 - 0.05 / 4, 1e-12);
  // 0.04 alone would be significant; behind 0.02, which is not, its interval contains 0, too.
  for (const size_t i : {0, 2, 3}) EXPECT_NEAR(adjusted[i].confidence, 1 - 0.05 / 3, 1e-12) << i;
  EXPECT_TRUE(Holm({}).empty());
}

// t.interval(0.90, 5, mean, sem) of the first is (−0.0015, 0.0025).
TEST(IsEquivalent, WhereTheNinetyPercentIntervalLiesWithinTheMargin) {
  EXPECT_TRUE(IsEquivalent({0.002, -0.003, 0.001, 0.004, -0.001, 0.0}, 0.01));
  EXPECT_FALSE(IsEquivalent({0.002, -0.003, 0.001, 0.004, -0.001, 0.0}, 0.002));
  EXPECT_FALSE(IsEquivalent(Differences(), 0.01));
  EXPECT_FALSE(IsEquivalent({0.0}, 0.01));
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

}  // namespace
}  // namespace mgral::client
