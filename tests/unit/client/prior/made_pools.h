#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/prior/fit_prior.h"
#include "server/core/lookup/dense.h"
#include "server/core/lookup/gain_level.h"
#include "server/core/lookup/regression.h"
#include "server/core/random.h"

namespace mgral::client {

// What the made pools are drawn from.
struct Truth {
  std::vector<double> weight = {0.4, 0.25}, shared_sd = {0.15, 0.12};
  double kappa = 0.6, between_datasets = 0.05, between_pools = 0.08;
  double noise = 0.01;    // of a detector's mAP
  double residual = 0.2;  // of a gain, as a share of it
};

// The prior that their tables were fitted with.
inline const std::vector<double> kOldWeight = {0.5, 0.2}, kOldSd = {0.2, 0.15};

inline std::vector<double> TableWeights(const SimulatedPool& pool) {
  const auto [mean, covariance] = Posterior(pool, kOldWeight, kOldSd);
  return core::ProjectToPositive(mean, covariance);
}

// One pool with two first batches and a second one after the first of these.
inline SimulatedPool MadePool(const Truth& truth, double kappa, core::RandomStream* random) {
  std::vector<double> weight, pull(2, 0.0);
  for (int f = 0; f < 2; ++f) {
    weight.push_back(truth.weight[f] + truth.shared_sd[f] * random->Normal());
  }
  SimulatedPool pool;
  pool.information = core::Matrix(2, 2);
  for (int row = 0; row < 60; ++row) {  // coverage goes along with growth
    const double x[2] = {1, 0.9 + 0.3 * random->Normal()};
    const double y = weight[0] * x[0] + weight[1] * x[1] + 0.3 * random->Normal();
    for (int f = 0; f < 2; ++f) {
      pull[f] += x[f] * y / 0.09;
      for (int g = 0; g < 2; ++g) pool.information(f, g) += x[f] * x[g] / 0.09;
    }
  }
  pool.pull = pull;
  pool.weights = TableWeights(pool);
  pool.random_gain = {0.05, 0.05};
  pool.log_images = 0.5;
  const double level = core::LevelOf(0.5, 0.05 * (weight[0] + weight[1]));
  const double ends[4] = {truth.noise * random->Normal(), truth.noise * random->Normal(),
                          truth.noise * random->Normal(), truth.noise * random->Normal()};
  const int detectors[3][2] = {{0, 1}, {0, 2}, {1, 3}};
  for (const auto& [before, after] : detectors) {
    const double size = random->Uniform() * 0.1 + 0.025;
    EstimatedBatch batch;
    batch.estimate = size * (pool.weights[0] + pool.weights[1]);
    batch.weight_var = 0.002;
    const double gain = kappa * level * size * (weight[0] + weight[1]);
    batch.test_gain = gain * (1 + truth.residual * random->Normal()) + ends[after] - ends[before];
    batch.validation_gain = gain + 0.03 * random->Normal();
    batch.before = before;
    batch.after = after;
    pool.batches.push_back(batch);
  }
  return pool;
}

inline std::vector<SimulatedPool> MadePools(const Truth& truth, int datasets, int each,
                                            uint64_t seed) {
  core::RandomStream random(seed);
  std::vector<SimulatedPool> pools;
  for (int d = 0; d < datasets; ++d) {
    const double of_dataset = truth.kappa + truth.between_datasets * random.Normal();
    for (int i = 0; i < each; ++i) {
      const double kappa = of_dataset + truth.between_pools * random.Normal();
      pools.push_back(MadePool(truth, kappa, &random));
      pools.back().dataset = "dataset " + std::to_string(d);
      pools.back().name = pools.back().dataset + ", " + std::to_string(i);
      pools.back().date = "2026-11-" + std::to_string(10 + i % 15);
    }
  }
  return pools;
}

}  // namespace mgral::client
