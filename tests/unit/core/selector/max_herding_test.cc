#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "server/core/random.h"
#include "server/core/selector/kernel_coverage.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr int64_t kDim = 5;

std::vector<float> RandomRows(int64_t rows, uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> out(rows * kDim);
  for (float& value : out) value = static_cast<float>(random.Normal());
  return out;
}

// The kernel of a pool whose median distance is measured, not sampled.
double Kernel(const float* a, const float* b, double squared_width) {
  double sum = 0;
  for (int64_t j = 0; j < kDim; ++j) sum += std::pow(static_cast<double>(a[j]) - b[j], 2);
  return std::exp(-sum / squared_width);
}

std::string Refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(KernelCoverageTest, AGainIsTheSumOfWhatACenterAddsToTheKernels) {
  for (const int64_t images : {1, 2, 63, 64, 65, 200}) {
    const std::vector<float> x = RandomRows(images, 3);
    KernelCoverage coverage(x, images, kDim, 1);
    // With one center the gain of another says which width the kernel has; then all must agree.
    const double alone = coverage.Gains({&x[0]})[0];
    EXPECT_GE(alone, 0.9999) << "an image covers itself";
    double low = 1e-3, high = 1e3;
    for (int step = 0; step < 100; ++step) {
      const double middle = std::sqrt(low * high);
      double sum = 0;
      for (int64_t i = 0; i < images; ++i) sum += Kernel(&x[0], &x[i * kDim], middle);
      (sum < alone ? low : high) = middle;
    }
    std::vector<double> covered(images, 0.0);
    for (int64_t center = 0; center < std::min<int64_t>(images, 9); ++center) {
      double gain = 0;
      for (int64_t i = 0; i < images; ++i) {
        const double kernel = Kernel(&x[center * kDim], &x[i * kDim], low);
        gain += std::max(0.0, kernel - covered[i]);
        covered[i] = std::max(covered[i], kernel);
      }
      EXPECT_NEAR(coverage.Gains({&x[center * kDim]})[0], gain, 2e-3 * (1 + gain)) << images;
      coverage.Add(&x[center * kDim]);
      EXPECT_NEAR(coverage.Gains({&x[center * kDim]})[0], 0, 1e-3);
    }
  }
}

TEST(MaxHerdingTest, TheLazyOrderIsThatOfTheDefinition) {
  constexpr int64_t kImages = 150;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const std::vector<float> x = RandomRows(kImages, seed);
    const std::vector<float> labeled = RandomRows(seed == 4 ? 0 : 6, seed + 20);
    const std::vector<int64_t> order = MaxHerding(x, kImages, kDim, labeled, 40, seed);
    KernelCoverage coverage(x, kImages, kDim, seed);
    for (size_t m = 0; m < labeled.size() / kDim; ++m) coverage.Add(&labeled[m * kDim]);
    for (const int64_t image : order) {
      const double best = coverage.Gains({&x[image * kDim]})[0];
      for (int64_t i = 0; i < kImages; ++i) {
        const double gain = coverage.Gains({&x[i * kDim]})[0];
        EXPECT_TRUE(gain < best || (gain == best && i >= image)) << seed << ": " << i;
      }
      coverage.Add(&x[image * kDim]);
    }
  }
}

TEST(MaxHerdingTest, TheLargestClusterComesFirstUnlessItIsLabeledAndCopiesGoByIndex) {
  // Three near 0, two near 10, one far out.
  const std::vector<float> x = {0.1f, 0, -0.1f, 10, 10.2f, 50};
  EXPECT_LT(MaxHerding(x, 6, 1, {}, 1, 1)[0], 3);
  EXPECT_THAT(MaxHerding(x, 6, 1, {0}, 6, 1)[0], testing::AnyOf(3, 4));
  EXPECT_THAT(MaxHerding({1, 1, 1}, 3, 1, {}, 3, 1), ElementsAre(0, 1, 2));
  EXPECT_THAT(MaxHerding({1, 1, 1}, 3, 1, {1}, 3, 1), ElementsAre(0, 1, 2));
}

TEST(MaxHerdingTest, ALargePoolIsCoveredFromASample) {
  // Half of the images are copies of one, the others of another: either half is seen.
  const int64_t images = KernelCoverage::kTargets + 100;
  std::vector<float> x(images, 0.0f);
  std::fill(x.begin() + images / 2, x.end(), 1.0f);
  const std::vector<int64_t> order = MaxHerding(x, images, 1, {}, 2, 7);
  EXPECT_NE(order[0] < images / 2, order[1] < images / 2);
  EXPECT_EQ(order, MaxHerding(x, images, 1, {}, 2, 7));
}

TEST(MaxHerdingTest, WhatDoesNotFitIsNamed) {
  const float nan = std::nanf("");
  EXPECT_THAT(MaxHerding({}, 0, 4, {}, 3, 1), IsEmpty());
  EXPECT_THAT(MaxHerding({}, 0, 0, {}, 3, 1), IsEmpty());
  EXPECT_THAT(Refusal([&] { MaxHerding({1, nan}, 1, 2, {}, 1, 1); }), StartsWith("embeddings: "));
  EXPECT_THAT(Refusal([&] { MaxHerding({1}, 1, 2, {}, 1, 1); }), StartsWith("embeddings: "));
  EXPECT_THAT(Refusal([&] { MaxHerding({1, 2}, 1, 2, {1}, 1, 1); }), StartsWith("labeled: "));
  EXPECT_THAT(Refusal([&] { MaxHerding({1, 2}, 1, 2, {nan, 1}, 1, 1); }), StartsWith("labeled: "));
  EXPECT_THAT(Refusal([&] { MaxHerding({1, 2}, 1, 2, {}, -1, 1); }), StartsWith("n: "));
  EXPECT_THAT(Refusal([&] { MaxHerding({}, 1, 0, {}, 1, 1); }), StartsWith("dim: "));
}

}  // namespace
}  // namespace mgral::core
