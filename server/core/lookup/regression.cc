#include "server/core/lookup/regression.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

// Sums of one class over its rows, weighted with the inverse of R = noise + offsets.
struct ClassSums {
  Matrix information{kNumFeatures, kNumFeatures};                     // X' R^-1 X
  std::vector<double> pull = std::vector<double>(kNumFeatures, 0.0);  // X' R^-1 r, r = y - X w0
  double square = 0;                                                  // r' R^-1 r
  double null_square = 0;                                             // y' R^-1 y
  double log_determinant = 0;                                         // of R
};

// Sums over the rows of one base, before the offset is integrated out.
struct BaseSums {
  double weight = 0, y = 0, residual = 0;
  std::vector<double> x = std::vector<double>(kNumFeatures, 0.0);
};

ClassSums SumClass(const ProbeRows& probes, int64_t c, const Hyper& hyper) {
  ClassSums out;
  std::map<int, BaseSums> bases;
  for (const ReplayProbe* probe : probes) {
    if (!probe->Measured(c)) continue;
    const double* x = &probe->features[c * kNumFeatures];
    const double y = probe->response[c];
    const double variance = hyper.noise * (1 + prior::kFewHeld / probe->held_positives[c]);
    double residual = y;
    for (int f = 0; f < kNumFeatures; ++f) residual -= x[f] * prior::kWeight[f];
    BaseSums& base = bases[probe->base];
    base.weight += 1 / variance;
    base.y += y / variance;
    base.residual += residual / variance;
    for (int f = 0; f < kNumFeatures; ++f) {
      base.x[f] += x[f] / variance;
      out.pull[f] += x[f] * residual / variance;
      for (int g = 0; g < kNumFeatures; ++g) out.information(f, g) += x[f] * x[g] / variance;
    }
    out.square += residual * residual / variance;
    out.null_square += y * y / variance;
    out.log_determinant += std::log(variance);
  }
  for (const auto& [id, base] : bases) {  // Sherman-Morrison per base
    const double offset = hyper.offset_sd * hyper.offset_sd;
    const double shrink = offset / (1 + offset * base.weight);
    for (int f = 0; f < kNumFeatures; ++f) {
      out.pull[f] -= shrink * base.x[f] * base.residual;
      for (int g = 0; g < kNumFeatures; ++g) {
        out.information(f, g) -= shrink * base.x[f] * base.x[g];
      }
    }
    out.square -= shrink * base.residual * base.residual;
    out.null_square -= shrink * base.y * base.y;
    out.log_determinant += std::log1p(offset * base.weight);
  }
  return out;
}

// With V = D D the prior covariance of v_c: K = D (I + D G D)^-1 D, its posterior covariance, and
// what w sees of the class after v_c is integrated out.
struct ClassSystem {
  Matrix own;                // K
  Matrix shrunk;             // I - K G, the coupling
  Matrix information;        // G - G K G
  std::vector<double> pull;  // h - G K h
  double square = 0;         // r' S^-1 r
  double log_determinant = 0;
};

std::vector<double> Apply(const Matrix& matrix, const std::vector<double>& x) {
  std::vector<double> out(matrix.rows, 0.0);
  for (int64_t i = 0; i < matrix.rows; ++i) {
    for (int64_t j = 0; j < matrix.cols; ++j) out[i] += matrix(i, j) * x[j];
  }
  return out;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Matrix Diagonal(const std::vector<double>& values) {
  Matrix out(static_cast<int64_t>(values.size()), static_cast<int64_t>(values.size()));
  for (int64_t i = 0; i < out.rows; ++i) out(i, i) = values[i];
  return out;
}

// D (I + D A D)^-1 D for a diagonal D, and the logarithm of the determinant of the bracket.
std::pair<Matrix, double> Shrink(const Matrix& a, const std::vector<double>& diagonal) {
  const Matrix d = Diagonal(diagonal);
  Matrix bracket = Multiply(Multiply(d, a), d);
  for (int64_t f = 0; f < bracket.rows; ++f) bracket(f, f) += 1;
  const Matrix lower = Cholesky(bracket);
  const Matrix root = SolveLower(lower, d);
  return {Multiply(Transpose(root), root), LogDeterminant(lower)};
}

ClassSystem MakeSystem(const ClassSums& sums, double class_sd) {
  std::vector<double> sd;
  for (const double weight : prior::kWeight) sd.push_back(class_sd * weight);
  auto [own, log_determinant] = Shrink(sums.information, sd);
  ClassSystem out;
  const Matrix seen = Multiply(sums.information, own);  // G K
  const Matrix seen_twice = Multiply(seen, sums.information);
  const std::vector<double> own_pull = Apply(own, sums.pull);
  const std::vector<double> lost = Apply(sums.information, own_pull);
  out.shrunk = Multiply(own, sums.information);
  out.information = sums.information;
  out.pull = sums.pull;
  for (int f = 0; f < kNumFeatures; ++f) {
    out.pull[f] -= lost[f];
    for (int g = 0; g < kNumFeatures; ++g) {
      out.shrunk(f, g) = (f == g ? 1.0 : 0.0) - out.shrunk(f, g);
      out.information(f, g) -= seen_twice(f, g);
    }
  }
  out.square = sums.square - Dot(sums.pull, own_pull);
  out.log_determinant = sums.log_determinant + log_determinant;
  out.own = std::move(own);
  return out;
}

struct SharedPosterior {
  std::vector<double> step;  // mean - w0
  Matrix covariance;
  double log_determinant = 0;  // of prior covariance times precision
  double fit = 0;              // pull' covariance pull
};

SharedPosterior CombineClasses(const std::vector<ClassSystem>& systems) {
  Matrix information(kNumFeatures, kNumFeatures);
  std::vector<double> pull(kNumFeatures, 0.0);
  for (const ClassSystem& system : systems) {
    for (size_t i = 0; i < information.values.size(); ++i) {
      information.values[i] += system.information.values[i];
    }
    for (int f = 0; f < kNumFeatures; ++f) pull[f] += system.pull[f];
  }
  SharedPosterior out;
  std::tie(out.covariance, out.log_determinant) =
      Shrink(information, {prior::kSharedSd.begin(), prior::kSharedSd.end()});
  out.step = Apply(out.covariance, pull);
  out.fit = Dot(pull, out.step);
  return out;
}

double LogNormal(double value, double center, double sd) {
  const double z = std::log(value / center) / sd;
  return -0.5 * z * z;
}

// Variance within bases and root mean square of all responses.
std::pair<double, double> Scales(const ProbeRows& probes, int64_t classes) {
  double within = 0, freedom = 0, square = 0, rows = 0;
  for (int64_t c = 0; c < classes; ++c) {
    std::map<int, std::vector<double>> bases;
    for (const ReplayProbe* probe : probes) {
      if (probe->Measured(c)) bases[probe->base].push_back(probe->response[c]);
    }
    for (const auto& [id, values] : bases) {
      double mean = 0;
      for (const double value : values) mean += value / static_cast<double>(values.size());
      for (const double value : values) {
        within += (value - mean) * (value - mean);
        square += value * value;
      }
      freedom += static_cast<double>(values.size()) - 1;
      rows += static_cast<double>(values.size());
    }
  }
  constexpr double kLeast = 1e-12;  // all responses alike
  const double mean_square = std::max(kLeast, rows > 0 ? square / rows : 0);
  return {freedom > 0 ? std::max(kLeast, within / freedom) : mean_square, std::sqrt(mean_square)};
}

}  // namespace

bool ReplayProbe::Measured(int64_t c) const {
  return std::isfinite(response[c]) && held_positives[c] > 0;
}

Hyper ChooseHyper(const ProbeRows& probes, int64_t classes) {
  Hyper best;
  best.class_sd = prior::kClassSd;
  const auto [variance, size] = Scales(probes, classes);
  double most = -INFINITY, most_without = -INFINITY;
  for (const double noise : prior::kNoises) {
    for (const double offset : prior::kOffsets) {
      Hyper hyper{true, noise * variance, offset * size, 0};
      const double belief = LogNormal(noise, prior::kNoise, prior::kNoiseLogSd) +
                            LogNormal(offset, prior::kOffset, prior::kOffsetLogSd);
      std::vector<ClassSums> sums;
      double without = belief;
      for (int64_t c = 0; c < classes; ++c) {
        sums.push_back(SumClass(probes, c, hyper));
        without -= 0.5 * (sums.back().log_determinant + sums.back().null_square);
      }
      most_without = std::max(most_without, without);
      for (const double class_sd : prior::kClassSds) {
        double evidence = belief + LogNormal(class_sd, prior::kClassSd, prior::kClassLogSd);
        std::vector<ClassSystem> systems;
        for (const ClassSums& sum : sums) {
          systems.push_back(MakeSystem(sum, class_sd));
          evidence -= 0.5 * (systems.back().log_determinant + systems.back().square);
        }
        const SharedPosterior shared = CombineClasses(systems);
        evidence += 0.5 * (shared.fit - shared.log_determinant);
        if (evidence <= most) continue;
        most = evidence;
        hyper.class_sd = class_sd;
        best = hyper;
      }
    }
  }
  best.informative = most > most_without;
  return best;
}

WeightPosterior SolveWeights(const ProbeRows& probes, int64_t classes, const Hyper& hyper) {
  std::vector<ClassSums> sums;
  std::vector<ClassSystem> systems;
  for (int64_t c = 0; c < classes; ++c) {
    sums.push_back(hyper.informative ? SumClass(probes, c, hyper) : ClassSums());
    systems.push_back(
        MakeSystem(sums.back(), hyper.informative ? hyper.class_sd : prior::kClassSd));
  }
  const SharedPosterior shared = CombineClasses(systems);
  WeightPosterior out;
  for (int f = 0; f < kNumFeatures; ++f) {
    out.shared_mean.push_back(prior::kWeight[f] + shared.step[f]);
  }
  out.shared_covariance = shared.covariance;
  for (int64_t c = 0; c < classes; ++c) {
    const ClassSystem& system = systems[c];
    // w_c = w + K (h - G (w - w0)), at the mean of w.
    std::vector<double> mean = Apply(system.own, sums[c].pull);
    const std::vector<double> moved = Apply(system.shrunk, shared.step);
    for (int f = 0; f < kNumFeatures; ++f) mean[f] += prior::kWeight[f] + moved[f];
    Matrix covariance =
        Multiply(Multiply(system.shrunk, shared.covariance), Transpose(system.shrunk));
    for (size_t i = 0; i < covariance.values.size(); ++i) {
      covariance.values[i] += system.own.values[i];
    }
    out.classes.push_back({ProjectToPositive(mean, covariance), system.own, system.shrunk});
  }
  return out;
}

std::vector<double> ProjectToPositive(const std::vector<double>& mean, const Matrix& covariance) {
  const int64_t n = static_cast<int64_t>(mean.size());
  std::vector<double> best;
  double least = INFINITY;
  for (uint32_t zeros = 0; zeros < (1u << n); ++zeros) {
    std::vector<int64_t> at;
    for (int64_t f = 0; f < n; ++f) {
      if (zeros >> f & 1u) at.push_back(f);
    }
    const int64_t count = static_cast<int64_t>(at.size());
    Matrix block(count, count);
    std::vector<double> step(count);
    for (int64_t i = 0; i < count; ++i) {
      step[i] = -mean[at[i]];
      for (int64_t j = 0; j < count; ++j) block(i, j) = covariance(at[i], at[j]);
    }
    // The others follow by their regression on those that are set to zero.
    const std::vector<double> force = SolveCholesky(Cholesky(block), step);
    std::vector<double> point = mean;
    bool inside = true;
    for (int64_t f = 0; f < n; ++f) {
      for (int64_t i = 0; i < count; ++i) point[f] += covariance(f, at[i]) * force[i];
      if (zeros >> f & 1u) point[f] = 0;
      inside = inside && point[f] >= 0;
    }
    const double distance = Dot(step, force);
    if (inside && distance < least) {
      least = distance;
      best = point;
    }
  }
  return best;
}

}  // namespace mgral::core
