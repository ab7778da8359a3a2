#include "client/cpp/prior/fit_prior.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "client/cpp/prior/calibration.h"
#include "server/core/lookup/features.h"
#include "server/core/lookup/gain_level.h"
#include "server/core/lookup/regression.h"

namespace mgral::client {
namespace {

using core::kNumFeatures;
using Vector = std::vector<double>;
using Pools = std::vector<const SimulatedPool*>;

constexpr double kCovered = 0.95;
constexpr double kLeastWeight = 0.02;   // classes deviate by a share of it
constexpr double kLeastSharedSd = 0.1;  // what 96 probes outweigh, however much pools agree
constexpr double kLeastKappaSd = 0.02;
constexpr double kLeastNoise = 0.002;
constexpr int kEmSteps = 500;

std::map<std::string, Pools> ByDataset(const std::vector<SimulatedPool>& pools) {
  std::map<std::string, Pools> out;
  for (const SimulatedPool& pool : pools) out[pool.dataset].push_back(&pool);
  return out;
}

// w_i ~ N(mean, diag(sd)^2), w_i >= 0, by EM.
bool FitWeights(const std::map<std::string, Pools>& datasets, PriorValues* values) {
  std::vector<std::pair<const SimulatedPool*, double>> shares;
  for (const auto& [name, pools] : datasets) {
    Pools informed;
    std::copy_if(pools.begin(), pools.end(), std::back_inserter(informed),
                 [](const SimulatedPool* pool) { return !pool->pull.empty(); });
    const double share = 1.0 / static_cast<double>(informed.size());
    for (const SimulatedPool* pool : informed) shares.emplace_back(pool, share);
  }
  double total = 0;
  for (const auto& [pool, weight] : shares) total += weight;
  if (total == 0) return false;
  values->weight.assign(kNumFeatures, 0.3);  // EM finds its way from anywhere
  values->shared_sd.assign(kNumFeatures, 0.3);
  for (int step = 0; step < kEmSteps; ++step) {
    Vector mean(kNumFeatures, 0.0), square(kNumFeatures, 0.0);
    for (const auto& [pool, weight] : shares) {
      const auto [free, covariance] = Posterior(*pool, values->weight, values->shared_sd);
      const Vector own = core::ProjectToPositive(free, covariance);
      for (int f = 0; f < kNumFeatures; ++f) {
        mean[f] += weight / total * own[f];
        square[f] += weight / total * (own[f] * own[f] + covariance(f, f));
      }
    }
    for (int f = 0; f < kNumFeatures; ++f) {
      values->weight[f] = mean[f];
      values->shared_sd[f] =
          std::max(kLeastSharedSd, std::sqrt(std::max(0.0, square[f] - mean[f] * mean[f])));
    }
  }
  for (double& weight : values->weight) weight = std::max(kLeastWeight, weight);
  return true;
}

// Covariance of two gains in units of the variance of a detector's mAP.
double Common(const EstimatedBatch& a, const EstimatedBatch& b) {
  const auto same = [](int x, int y) { return x == y ? 1.0 : 0.0; };
  return same(a.before, b.before) + same(a.after, b.after) - same(a.before, b.after) -
         same(a.after, b.before);
}

struct Effect {
  double value = 0, variance = 0;
};

// Slope through 0 of a pool's test gains on its estimates.
struct PoolSlope {
  double slope = 0;
  double error = 0;     // its variance per variance of a detector's mAP
  double residual = 0;  // sum of squares, and what to expect of it per variance of an mAP
  double freedom = 0;
  double square = 0;  // of the estimates
};

PoolSlope SlopeOf(const SimulatedPool& pool, double rescale) {
  PoolSlope out;
  double product = 0, spread = 0;
  for (const EstimatedBatch& a : pool.batches) {
    const double x = rescale * a.estimate;
    out.square += x * x;
    product += x * a.test_gain;
    out.freedom += Common(a, a);
    for (const EstimatedBatch& b : pool.batches) spread += x * rescale * b.estimate * Common(a, b);
  }
  if (out.square <= 0) return out;
  out.slope = product / out.square;
  out.error = spread / (out.square * out.square);
  out.freedom -= spread / out.square;
  for (const EstimatedBatch& batch : pool.batches) {
    out.residual += std::pow(batch.test_gain - out.slope * rescale * batch.estimate, 2);
  }
  return out;
}

// Variance of the effects within groups, beyond their errors (DerSimonian and Laird).
double Spread(const std::vector<std::vector<Effect>>& groups) {
  double excess = 0, scale = 0;
  for (const std::vector<Effect>& group : groups) {
    double sum = 0, squares = 0, pull = 0, q = 0;
    for (const Effect& effect : group) {
      sum += 1 / effect.variance;
      squares += 1 / (effect.variance * effect.variance);
      pull += effect.value / effect.variance;
    }
    if (group.size() < 2) continue;
    for (const Effect& effect : group) {
      q += std::pow(effect.value - pull / sum, 2) / effect.variance;
    }
    excess += q - (static_cast<double>(group.size()) - 1);
    scale += sum - squares / sum;
  }
  return scale > 0 ? std::max(0.0, excess / scale) : 0;
}

Effect Combine(const std::vector<Effect>& group, double spread) {
  double sum = 0, pull = 0;
  for (const Effect& effect : group) {
    sum += 1 / (effect.variance + spread);
    pull += effect.value / (effect.variance + spread);
  }
  return {pull / sum, 1 / sum};
}

// Root mean square of validation gains around a slope per dataset, less what pools differ by.
double ValidationNoise(const std::map<std::string, Pools>& datasets, const PriorFit& fit) {
  double residual = 0, freedom = 0, square = 0, count = 0;
  for (const auto& [name, pools] : datasets) {
    double xx = 0, xy = 0, yy = 0, batches = 0;
    for (const SimulatedPool* pool : pools) {
      const double rescale = Rescale(*pool, fit.values);
      for (const EstimatedBatch& batch : pool->batches) {
        if (!batch.validation_gain) continue;
        const double x = rescale * batch.estimate, y = *batch.validation_gain;
        xx += x * x;
        xy += x * y;
        yy += y * y;
        batches += 1;
      }
    }
    if (batches < 2) continue;
    residual += yy - xy * xy / xx;
    freedom += batches - 1;
    square += xx;
    count += batches;
  }
  if (freedom == 0) return std::max(kLeastNoise, std::sqrt(2.0) * fit.values.test_noise);
  const double of_pools = std::pow(fit.kappa_between_pools, 2) * square / count;
  return std::sqrt(std::max(kLeastNoise * kLeastNoise, residual / freedom - of_pools));
}

bool FitKappa(const std::map<std::string, Pools>& datasets, PriorFit* fit) {
  double residual = 0, freedom = 0;
  std::vector<std::vector<Effect>> groups;  // errors per variance of a detector's mAP, first
  for (const auto& [name, pools] : datasets) {
    std::vector<Effect> group;
    for (const SimulatedPool* pool : pools) {
      const PoolSlope slope = SlopeOf(*pool, Rescale(*pool, fit->values));
      residual += slope.residual;
      freedom += slope.freedom;
      if (slope.square > 0) group.push_back({slope.slope, slope.error});
    }
    if (!group.empty()) groups.push_back(group);
  }
  if (freedom < 0.5) return false;
  fit->values.test_noise = std::sqrt(residual / freedom);
  const double unit = std::max(1e-12, residual / freedom);
  for (std::vector<Effect>& group : groups) {
    for (Effect& effect : group) effect.variance *= unit;
  }
  const double of_pools = Spread(groups);
  std::vector<Effect> means;
  for (const std::vector<Effect>& group : groups) means.push_back(Combine(group, of_pools));
  const double of_datasets = Spread({means});
  const Effect kappa = Combine(means, of_datasets);
  fit->values.kappa = kappa.value;
  fit->values.kappa_sd =
      std::max(kLeastKappaSd, std::sqrt(of_pools + of_datasets + kappa.variance));
  fit->kappa_between_pools = std::sqrt(of_pools);
  fit->kappa_between_datasets = std::sqrt(of_datasets);
  return true;
}

double ResidualShare(const std::map<std::string, Pools>& datasets, const PriorValues& values) {
  std::vector<std::pair<double, double>> needed;  // and the batch's weight
  double total = 0;
  for (const auto& [name, pools] : datasets) {
    const std::vector<FirstBatch> batches = FirstBatches(pools, values);
    for (const FirstBatch& batch : batches) {
      needed.emplace_back(LeastResidual(batch), 1.0 / static_cast<double>(batches.size()));
    }
    total += batches.empty() ? 0 : 1;
  }
  std::sort(needed.begin(), needed.end());
  double covered = 0;
  for (const auto& [least, weight] : needed) {
    covered += weight / total;
    if (covered >= kCovered - 1e-9) return std::sqrt(std::max(0.0, least));
  }
  return 0;
}

}  // namespace

std::pair<Vector, core::Matrix> Posterior(const SimulatedPool& pool, const Vector& mean,
                                          const Vector& sd) {
  core::Matrix precision(kNumFeatures, kNumFeatures);
  Vector pull(kNumFeatures, 0.0);
  for (int f = 0; f < kNumFeatures; ++f) {
    precision(f, f) = 1 / (sd[f] * sd[f]);
    pull[f] = mean[f] * precision(f, f);
    if (pool.pull.empty()) continue;
    pull[f] += pool.pull[f];
    for (int g = 0; g < kNumFeatures; ++g) precision(f, g) += pool.information(f, g);
  }
  const core::Matrix lower = core::Cholesky(precision);
  core::Matrix covariance(kNumFeatures, kNumFeatures);
  for (int f = 0; f < kNumFeatures; ++f) {
    Vector unit(kNumFeatures, 0.0);
    unit[f] = 1;
    const Vector column = core::SolveCholesky(lower, unit);
    for (int g = 0; g < kNumFeatures; ++g) covariance(g, f) = column[g];
  }
  return {core::SolveCholesky(lower, pull), covariance};
}

double Rescale(const SimulatedPool& pool, const PriorValues& values) {
  const auto [mean, covariance] = Posterior(pool, values.weight, values.shared_sd);
  const Vector weights = core::ProjectToPositive(mean, covariance);
  double now = 0, then = 0;
  for (int f = 0; f < kNumFeatures; ++f) {
    now += weights[f] * pool.random_gain[f];
    then += pool.weights[f] * pool.random_gain[f];
  }
  return (now > 0 && then > 0 ? now / then : 1) * core::LevelOf(pool.log_images, now);
}

absl::StatusOr<PriorFit> FitPrior(const std::vector<SimulatedPool>& pools) {
  const std::map<std::string, Pools> datasets = ByDataset(pools);
  PriorFit fit;
  for (const SimulatedPool& pool : pools) fit.informed += pool.pull.empty() ? 0 : 1;
  if (!FitWeights(datasets, &fit.values)) {
    return absl::FailedPreconditionError("no pool's probes are informative about the weights");
  }
  if (!FitKappa(datasets, &fit)) {
    return absl::FailedPreconditionError(
        "no pool has two batches with an estimate and a test gain: simulate lookup_greedy,random");
  }
  if (!(fit.values.kappa > 0)) {
    return absl::FailedPreconditionError(
        "the pools gained nothing where their tables expected a gain");
  }
  fit.values.realized_noise = ValidationNoise(datasets, fit);
  fit.values.residual_share = ResidualShare(datasets, fit.values);
  if (!std::isfinite(fit.values.kappa_sd + fit.values.realized_noise + fit.values.residual_share)) {
    return absl::FailedPreconditionError("the pools hold numbers too large to compute with");
  }
  return fit;
}

}  // namespace mgral::client
