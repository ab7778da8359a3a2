#include "server/core/lookup/regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/core/lookup/prior.h"
#include "tests/unit/core/lookup/planted_pool.h"

namespace mgral::core {
namespace {

ProbeRows Rows(const std::vector<ReplayProbe>& probes) {
  ProbeRows out;
  for (const ReplayProbe& probe : probes) out.push_back(&probe);
  return out;
}

double SharedMean(const std::vector<ReplayProbe>& probes, int64_t classes, int f) {
  const ProbeRows rows = Rows(probes);
  const WeightPosterior posterior = SolveWeights(rows, classes, ChooseHyper(rows, classes));
  double sum = 0;
  for (const ClassPosterior& of_class : posterior.classes) sum += of_class.mean[f];
  return sum / static_cast<double>(classes);
}

TEST(RegressionTest, ProjectionIsTheNearestPointThatIsNotNegative) {
  Matrix covariance(2, 2);
  covariance.values = {1, 0.5, 0.5, 1};
  EXPECT_EQ(ProjectToPositive({0.3, 0.2}, covariance), (std::vector<double>{0.3, 0.2}));
  const std::vector<double> one = ProjectToPositive({0.3, -0.2}, covariance);
  EXPECT_NEAR(one[0], 0.4, 1e-12) << "the other one follows by its regression";
  EXPECT_EQ(one[1], 0);
  EXPECT_EQ(ProjectToPositive({-0.3, -0.2}, covariance), (std::vector<double>{0, 0}));
  // Against a search.
  const std::vector<double> mean = {-0.1, 0.4};
  const auto distance = [&](double x, double y) {
    const double a = x - mean[0], b = y - mean[1];
    return (a * a - a * b + b * b) / 0.75;
  };
  const std::vector<double> found = ProjectToPositive(mean, covariance);
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 50; ++j) {
      EXPECT_GE(distance(0.02 * i, 0.02 * j), distance(found[0], found[1]) - 1e-12);
    }
  }
}

TEST(RegressionTest, NoProbesIsThePrior) {
  const Hyper hyper = ChooseHyper({}, 2);
  EXPECT_FALSE(hyper.informative);
  const WeightPosterior posterior = SolveWeights({}, 2, hyper);
  for (const ClassPosterior& of_class : posterior.classes) {
    for (int f = 0; f < kNumFeatures; ++f) EXPECT_EQ(of_class.mean[f], prior::kWeight[f]);
  }
  EXPECT_DOUBLE_EQ(posterior.shared_covariance(0, 0), std::pow(prior::kSharedSd[0], 2));
}

// The same posterior from the joint Gaussian of all weights and offsets, by brute force.
TEST(RegressionTest, AgreesWithTheJointGaussian) {
  const PlantedPool pool(30, 2, 3, 5);
  const std::vector<ReplayProbe> probes = pool.Probes(2, 3, {0.4, 0.3}, 0.05, 5);
  const Hyper hyper{true, 0.004, 0.06, 0.5};
  const int64_t n = 12, unknowns = 2 + 4;  // w, v of two classes
  Matrix prior_covariance(unknowns, unknowns), design(n, unknowns), covariance(n, n);
  std::vector<double> residual(n);
  for (int f = 0; f < 2; ++f) {
    prior_covariance(f, f) = std::pow(prior::kSharedSd[f], 2);
    for (int c = 0; c < 2; ++c) {
      prior_covariance(2 + 2 * c + f, 2 + 2 * c + f) = std::pow(0.5 * prior::kWeight[f], 2);
    }
  }
  for (int64_t row = 0; row < n; ++row) {
    const ReplayProbe& probe = probes[row / 2];
    const int64_t c = row % 2;
    residual[row] = probe.response[c];
    for (int f = 0; f < 2; ++f) {
      design(row, f) = design(row, 2 + 2 * c + f) = probe.features[c * 2 + f];
      residual[row] -= prior::kWeight[f] * probe.features[c * 2 + f];
    }
    for (int64_t other = 0; other < n; ++other) {
      if (other % 2 == c && probes[other / 2].base == probe.base) {
        covariance(row, other) += 0.06 * 0.06;
      }
    }
    covariance(row, row) += 0.004 * 1.04;
  }
  const Matrix cross = Multiply(prior_covariance, Transpose(design));  // [unknowns, n]
  const Matrix seen = Multiply(design, cross);
  for (size_t i = 0; i < seen.values.size(); ++i) covariance.values[i] += seen.values[i];
  const std::vector<double> force = SolveCholesky(Cholesky(covariance), residual);
  std::vector<double> mean(unknowns, 0.0);
  for (int64_t u = 0; u < unknowns; ++u) {
    for (int64_t row = 0; row < n; ++row) mean[u] += cross(u, row) * force[row];
  }
  const WeightPosterior posterior = SolveWeights(Rows(probes), 2, hyper);
  for (int c = 0; c < 2; ++c) {
    for (int f = 0; f < 2; ++f) {
      const double expected = prior::kWeight[f] + mean[f] + mean[2 + 2 * c + f];
      ASSERT_GT(expected, 0);
      EXPECT_NEAR(posterior.classes[c].mean[f], expected, 1e-9);
    }
  }
  const Matrix root = SolveLower(Cholesky(covariance), Transpose(cross));
  const Matrix explained = Multiply(Transpose(root), root);
  EXPECT_NEAR(posterior.shared_covariance(0, 1), -explained(0, 1), 1e-9);
  EXPECT_NEAR(posterior.shared_covariance(1, 1), prior_covariance(1, 1) - explained(1, 1), 1e-9);
}

TEST(RegressionTest, RecoversPlantedWeights) {
  for (uint64_t seed : {1, 2, 3}) {
    const PlantedPool pool(80, 3, 24, seed, 60);
    for (const double noise : {0.005, 0.02}) {
      const std::vector<ReplayProbe> probes = pool.Probes(8, 12, {0.2, 0.4}, noise, seed);
      EXPECT_NEAR(SharedMean(probes, 3, kGrowth), 0.2, 0.1) << seed << " " << noise;
      EXPECT_NEAR(SharedMean(probes, 3, kCoverage), 0.4, noise < 0.01 ? 0.2 : 0.5) << seed;
    }
  }
}

TEST(RegressionTest, ResponsesFarSmallerThanThePriorSaysAreBelieved) {
  for (uint64_t seed : {1, 2, 3}) {
    const PlantedPool pool(60, 4, 6, seed);
    const std::vector<ReplayProbe> probes = pool.Probes(8, 12, {0.02, 0.01}, 0.004, seed);
    EXPECT_TRUE(ChooseHyper(Rows(probes), 4).informative) << seed;
    EXPECT_NEAR(SharedMean(probes, 4, kGrowth), 0.02, 0.01) << seed;
  }
}

TEST(RegressionTest, WeightsAreNeverNegative) {
  const PlantedPool pool(80, 2, 24, 4);
  const std::vector<ReplayProbe> probes = pool.Probes(8, 12, {0.6, -1}, 0.02, 4);
  EXPECT_EQ(SharedMean(probes, 2, kCoverage), 0);
  EXPECT_GT(SharedMean(probes, 2, kGrowth), 0.1);
}

TEST(RegressionTest, PureNoiseLeavesThePrior) {
  int at_prior = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const PlantedPool pool(60, 3, 5, seed);
    std::vector<ReplayProbe> probes = pool.Probes(6, 10, {0, 0}, 0, seed);
    RandomStream random(seed);
    for (ReplayProbe& probe : probes) {
      const double mean = seed % 2 == 0 ? 0 : 0.2;  // what any batch does
      for (double& value : probe.response) value = mean + 0.1 * random.Normal();
    }
    at_prior += ChooseHyper(Rows(probes), 3).informative ? 0 : 1;
  }
  EXPECT_GE(at_prior, 18);
}

TEST(RegressionTest, AClassThatCouldNotBeMeasuredHasTheWeightsOfTheOthers) {
  const PlantedPool pool(80, 3, 24, 7);
  std::vector<ReplayProbe> probes = pool.Probes(8, 12, {0.2, 2}, 0.03, 7);
  for (size_t p = 0; p < probes.size(); ++p) {
    probes[p].held_positives[2] = 0;
    probes[p].response[2] = p % 2 == 0 ? 1e6 : std::nan("");  // may be anything
  }
  const ProbeRows rows = Rows(probes);
  const WeightPosterior posterior = SolveWeights(rows, 3, ChooseHyper(rows, 3));
  EXPECT_NEAR(posterior.classes[2].mean[kCoverage], 2, 0.6);
  EXPECT_GT(posterior.classes[2].covariance(1, 1), posterior.classes[0].covariance(1, 1));
}

}  // namespace
}  // namespace mgral::core
