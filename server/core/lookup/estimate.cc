#include "server/core/lookup/estimate.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "server/core/lookup/dense.h"
#include "server/core/lookup/prior.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

// x' M x for M [F, F].
double Quadratic(const double* matrix, const std::vector<double>& x) {
  double sum = 0;
  for (int f = 0; f < kNumFeatures; ++f) {
    for (int g = 0; g < kNumFeatures; ++g) sum += x[f] * matrix[f * kNumFeatures + g] * x[g];
  }
  return sum;
}

Matrix Square(const double* values) {
  Matrix out(kNumFeatures, kNumFeatures);
  std::copy_n(values, kNumFeatures * kNumFeatures, out.values.begin());
  return out;
}

std::vector<double> DrawFrom(const double* covariance, RandomStream* random) {
  const Matrix lower = Cholesky(Square(covariance));
  std::vector<double> out(kNumFeatures, 0.0);
  for (int g = 0; g < kNumFeatures; ++g) {
    const double z = random->Normal();
    for (int f = g; f < kNumFeatures; ++f) out[f] += lower(f, g) * z;
  }
  return out;
}

}  // namespace

std::vector<double> FeaturesOf(const LookupTable& table, const std::vector<int64_t>& images) {
  std::vector<int64_t> distinct;
  std::vector<bool> seen(table.groups, false);
  for (const int64_t image : images) {
    if (image < 0 || image >= table.images) {
      throw std::out_of_range("image " + std::to_string(image) + " is not in the table");
    }
    if (!seen[table.group_of[image]]) distinct.push_back(image);
    seen[table.group_of[image]] = true;
  }
  const SetContent batch =
      ContentOf(table.missed, table.reach, distinct, table.cells.count, table.classes);
  return BatchFeatures({table.labeled, table.covered}, batch, table.cell_share);
}

Estimate EstimateGain(const LookupTable& table, const std::vector<int64_t>& images) {
  const std::vector<double> features = FeaturesOf(table, images), slopes = table.ApSlopes();
  const double classes = static_cast<double>(table.classes);
  constexpr int64_t kSquare = kNumFeatures * kNumFeatures;
  const bool uncertain = !table.shared_covariance.empty();
  Estimate out;
  double own = 0;
  std::vector<double> shared(kNumFeatures, 0.0);  // derivative of the sum over classes by w
  const auto common = [&](double gain) {  // variance by kappa and by what the features cannot say
    return std::pow(gain * table.kappa_sd / table.kappa, 2) +
           std::pow(gain * table.residual_share, 2);
  };
  for (int64_t c = 0; c < table.classes; ++c) {
    const double unit = table.kappa * slopes[c];
    std::vector<double> x(&features[c * kNumFeatures], &features[c * kNumFeatures] + kNumFeatures);
    double gain = 0;
    for (int f = 0; f < kNumFeatures; ++f) {
      x[f] *= unit;
      gain += table.weights[c * kNumFeatures + f] * x[f];
    }
    double variance = common(gain);
    if (uncertain) {
      std::vector<double> coupled(kNumFeatures, 0.0);
      for (int64_t fg = 0; fg < kSquare; ++fg) {
        coupled[fg % kNumFeatures] += table.coupling[c * kSquare + fg] * x[fg / kNumFeatures];
      }
      const double of_class = Quadratic(&table.class_covariance[c * kSquare], x);
      own += of_class;
      variance += of_class + Quadratic(table.shared_covariance.data(), coupled);
      for (int f = 0; f < kNumFeatures; ++f) shared[f] += coupled[f];
    }
    out.class_gain.push_back(gain);
    out.class_error.push_back(std::sqrt(std::max(0.0, variance)));
    out.gain += gain / classes;
  }
  double variance = own;
  if (uncertain) variance += Quadratic(table.shared_covariance.data(), shared);
  out.standard_error = std::sqrt(std::max(0.0, variance / (classes * classes) + common(out.gain)));
  return out;
}

LookupTable Draw(const LookupTable& table, uint64_t seed, double scale) {
  LookupTable out = table;
  out.shared_weights.clear();
  out.shared_covariance.clear();
  out.class_covariance.clear();
  out.coupling.clear();
  out.kappa_sd = out.residual_share = 0;
  if (scale == 0) return out;
  RandomStream random(seed);
  out.kappa = std::max(prior::kLeastKappa, table.kappa + scale * table.kappa_sd * random.Normal());
  if (table.shared_covariance.empty()) return out;
  constexpr int64_t kSquare = kNumFeatures * kNumFeatures;
  const std::vector<double> shared = DrawFrom(table.shared_covariance.data(), &random);
  for (int64_t c = 0; c < table.classes; ++c) {
    std::vector<double> change = DrawFrom(&table.class_covariance[c * kSquare], &random);
    for (int64_t fg = 0; fg < kSquare; ++fg) {
      change[fg / kNumFeatures] += table.coupling[c * kSquare + fg] * shared[fg % kNumFeatures];
    }
    for (int f = 0; f < kNumFeatures; ++f) {
      double& weight = out.weights[c * kNumFeatures + f];
      weight = std::max(0.0, weight + scale * change[f]);
    }
  }
  return out;
}

}  // namespace mgral::core
