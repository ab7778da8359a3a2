#include "server/core/lookup/regression.h"

#include <cmath>

#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

constexpr double kLogTwoPi = 1.8378770664093453;

Matrix SharedPrior() {
  Matrix out(kNumFeatures, kNumFeatures);
  for (int f = 0; f < kNumFeatures; ++f) {
    for (int g = 0; g < kNumFeatures; ++g) {
      out(f, g) = prior::kScaleSd * prior::kScaleSd * prior::kWeight[f] * prior::kWeight[g];
    }
    out(f, f) += prior::kSharedSd[f] * prior::kSharedSd[f];
  }
  return out;
}

// One class's rows with its covariance given w_s, factored.
struct ClassSystem {
  std::vector<int64_t> rows;
  double unit = 0;
  Matrix lower;                           // Cholesky of S = B D B' + R
  Matrix x;                               // [n, F], in AP
  Matrix whitened_x;                      // lower^-1 x
  std::vector<double> y;                  // [n]
  std::vector<double> residual;           // y - x w0
  std::vector<double> whitened_residual;  // lower^-1 residual
};

double PairValue(const Truth& truth, int64_t row, const CellPair& pair) {
  return truth.psi(row, pair.k) * truth.psi(row, pair.l);
}

// phi kernel phi' over all rows: shared by the classes.
Matrix CellGram(const Truth& truth) {
  return MultiplyTransposed(Multiply(truth.phi, truth.kernel), truth.phi);
}

Matrix Covariance(const Truth& truth, const Matrix& gram, const Hyper& hyper,
                  const std::vector<PairTerm>& pairs, int64_t c, const ClassSystem& system) {
  const int64_t n = static_cast<int64_t>(system.rows.size());
  const double unit = system.unit, cell_variance = std::pow(hyper.amplitude * unit, 2);
  Matrix out(n, n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = system.rows[i];
    for (int64_t j = 0; j <= i; ++j) {
      const int64_t b = system.rows[j];
      double sum = cell_variance * gram(a, b);
      for (int f = 0; f < kNumFeatures; ++f) {
        sum += prior::kClassSd[f] * prior::kClassSd[f] * system.x(i, f) * system.x(j, f);
      }
      if (truth.kind[a] == truth.kind[b]) {
        sum += unit * unit * truth.intercept[a] * truth.intercept[b];
      }
      for (const PairTerm& pair : pairs) {
        if (!pair.active[c]) continue;
        sum += std::pow(pair.sd * unit, 2) * PairValue(truth, a, pair.cells) *
               PairValue(truth, b, pair.cells);
      }
      out(i, j) = out(j, i) = sum;
    }
    out(i, i) += hyper.noise * truth.variance[c][a];
  }
  return out;
}

ClassSystem MakeSystem(const Truth& truth, const Matrix& gram, const Hyper& hyper,
                       const std::vector<PairTerm>& pairs, int64_t c) {
  ClassSystem out;
  out.unit = hyper.level * truth.unit[c];
  for (int64_t o = 0; o < truth.rows(); ++o) {
    if (std::isfinite(truth.variance[c][o])) out.rows.push_back(o);
  }
  const int64_t n = static_cast<int64_t>(out.rows.size());
  out.x = Matrix(n, kNumFeatures);
  for (int64_t i = 0; i < n; ++i) {
    double residual = truth.y[c][out.rows[i]];
    out.y.push_back(residual);
    for (int f = 0; f < kNumFeatures; ++f) {
      out.x(i, f) = out.unit * truth.x[c](out.rows[i], f);
      residual -= out.x(i, f) * prior::kWeight[f];
    }
    out.residual.push_back(residual);
  }
  out.lower = Cholesky(Covariance(truth, gram, hyper, pairs, c, out));
  out.whitened_x = SolveLower(out.lower, out.x);
  out.whitened_residual = SolveLower(out.lower, out.residual);
  return out;
}

// Posterior of w_s - w0 from all classes: precision P = shared^-1 + sum x' S^-1 x, b = sum x' S^-1
// r. Worked in the basis of shared = M M' so that nothing is inverted that may be singular.
struct SharedPosterior {
  Matrix prior_factor;       // M
  Matrix lower;              // Cholesky of I + M' A M
  std::vector<double> pull;  // M' b
};

SharedPosterior CombineClasses(const std::vector<ClassSystem>& systems) {
  Matrix information(kNumFeatures, kNumFeatures);
  std::vector<double> pull(kNumFeatures, 0.0);
  for (const ClassSystem& system : systems) {
    for (int64_t i = 0; i < system.whitened_x.rows; ++i) {
      for (int f = 0; f < kNumFeatures; ++f) {
        pull[f] += system.whitened_x(i, f) * system.whitened_residual[i];
        for (int g = 0; g < kNumFeatures; ++g) {
          information(f, g) += system.whitened_x(i, f) * system.whitened_x(i, g);
        }
      }
    }
  }
  SharedPosterior out;
  out.prior_factor = Cholesky(SharedPrior());
  const Matrix transposed = Transpose(out.prior_factor);
  Matrix precision = Multiply(Multiply(transposed, information), out.prior_factor);
  out.pull.assign(kNumFeatures, 0.0);
  for (int f = 0; f < kNumFeatures; ++f) {
    precision(f, f) += 1;
    for (int g = 0; g < kNumFeatures; ++g) out.pull[f] += transposed(f, g) * pull[g];
  }
  out.lower = Cholesky(precision);
  return out;
}

double LogNormal(double value, double center, double sd) {
  const double z = std::log(value / center) / sd;
  return -0.5 * z * z;
}

// Covariance of (u, v, J) with the rows' y, [D, n].
Matrix CrossCovariance(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs,
                       int64_t c, const ClassSystem& system) {
  const int64_t cells = truth.phi.cols, n = static_cast<int64_t>(system.rows.size());
  const double cell_variance = std::pow(hyper.amplitude * system.unit, 2);
  Matrix out(cells + kNumFeatures + static_cast<int64_t>(pairs.size()), n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = system.rows[i];
    for (int64_t k = 0; k < cells; ++k) {
      double sum = 0;
      for (int64_t l = 0; l < cells; ++l) sum += truth.kernel(k, l) * truth.phi(row, l);
      out(k, i) = cell_variance * sum;
    }
    for (int f = 0; f < kNumFeatures; ++f) {
      out(cells + f, i) = prior::kClassSd[f] * prior::kClassSd[f] * system.x(i, f);
    }
    for (size_t p = 0; p < pairs.size(); ++p) {
      if (!pairs[p].active[c]) continue;
      out(cells + kNumFeatures + static_cast<int64_t>(p), i) =
          std::pow(pairs[p].sd * system.unit, 2) * PairValue(truth, row, pairs[p].cells);
    }
  }
  return out;
}

Matrix PriorCovariance(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs,
                       int64_t c, double unit) {
  const int64_t cells = truth.kernel.rows;
  const int64_t size = cells + kNumFeatures + static_cast<int64_t>(pairs.size());
  Matrix out(size, size);
  for (int64_t k = 0; k < cells; ++k) {
    for (int64_t l = 0; l < cells; ++l) {
      out(k, l) = std::pow(hyper.amplitude * unit, 2) * truth.kernel(k, l);
    }
  }
  for (int f = 0; f < kNumFeatures; ++f) {
    out(cells + f, cells + f) = prior::kClassSd[f] * prior::kClassSd[f];
  }
  for (size_t p = 0; p < pairs.size(); ++p) {
    const int64_t at = cells + kNumFeatures + static_cast<int64_t>(p);
    if (pairs[p].active[c]) out(at, at) = std::pow(pairs[p].sd * unit, 2);
  }
  return out;
}

ClassPosterior SolveClass(const Truth& truth, const Hyper& hyper,
                          const std::vector<PairTerm>& pairs, int64_t c, const ClassSystem& system,
                          const std::vector<double>& shared_mean) {
  const int64_t cells = truth.kernel.rows;
  const Matrix whitened = SolveLower(
      system.lower, Transpose(CrossCovariance(truth, hyper, pairs, c, system)));  // [n,D]
  const int64_t n = whitened.rows, size = whitened.cols;
  std::vector<double> residual = system.y;
  for (int64_t i = 0; i < n; ++i) {
    for (int f = 0; f < kNumFeatures; ++f) residual[i] -= system.x(i, f) * shared_mean[f];
  }
  residual = SolveLower(system.lower, residual);
  ClassPosterior out;
  out.covariance = PriorCovariance(truth, hyper, pairs, c, system.unit);
  out.mean.assign(size, 0.0);
  out.coupling = Matrix(size, kNumFeatures);
  for (int f = 0; f < kNumFeatures; ++f) {
    out.mean[cells + f] = shared_mean[f];
    out.coupling(cells + f, f) = 1;
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t a = 0; a < size; ++a) {
      const double value = whitened(i, a);
      if (value == 0) continue;
      out.mean[a] += value * residual[i];
      for (int f = 0; f < kNumFeatures; ++f) {
        out.coupling(a, f) -= value * system.whitened_x(i, f);
      }
      for (int64_t b = 0; b < size; ++b) out.covariance(a, b) -= value * whitened(i, b);
    }
  }
  return out;
}

}  // namespace

double Evidence(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs) {
  const Matrix gram = CellGram(truth);
  std::vector<ClassSystem> systems;
  double log_likelihood = 0;
  for (int64_t c = 0; c < truth.classes; ++c) {
    systems.push_back(MakeSystem(truth, gram, hyper, pairs, c));
    const ClassSystem& system = systems.back();
    log_likelihood -= 0.5 * LogDeterminant(system.lower);
    for (double value : system.whitened_residual) {
      log_likelihood -= 0.5 * (value * value + kLogTwoPi);
    }
  }
  const SharedPosterior shared = CombineClasses(systems);
  log_likelihood -= 0.5 * LogDeterminant(shared.lower);
  for (double value : SolveLower(shared.lower, shared.pull)) log_likelihood += 0.5 * value * value;
  return log_likelihood + LogNormal(hyper.noise, truth.noise_center, prior::kNoiseLogSd) +
         LogNormal(hyper.amplitude, prior::kAmplitude, prior::kAmplitudeLogSd) +
         LogNormal(hyper.level, 1.0, prior::kLevelLogSd);
}

Hyper ChooseHyper(const Truth& truth, const std::vector<PairTerm>& pairs) {
  Hyper best{1, prior::kAmplitude, 1};
  if (truth.rows() < prior::kFewestObservations) return best;
  double most = -INFINITY;
  for (double level : prior::kLevels) {
    for (double amplitude : prior::kAmplitudes) {
      for (double noise : prior::kNoises) {
        const Hyper hyper{noise, amplitude, level};
        const double evidence = Evidence(truth, hyper, pairs);
        if (evidence > most) {
          most = evidence;
          best = hyper;
        }
      }
    }
  }
  return best;
}

Posterior Solve(const Truth& truth, const Hyper& hyper, const std::vector<PairTerm>& pairs) {
  const Matrix gram = CellGram(truth);
  std::vector<ClassSystem> systems;
  for (int64_t c = 0; c < truth.classes; ++c) {
    systems.push_back(MakeSystem(truth, gram, hyper, pairs, c));
  }
  const SharedPosterior shared = CombineClasses(systems);
  Posterior out;
  // mean = w0 + M P^-1 M' b and covariance M P^-1 M'.
  const std::vector<double> step = SolveCholesky(shared.lower, shared.pull);
  out.shared_mean.assign(prior::kWeight.begin(), prior::kWeight.end());
  for (int f = 0; f < kNumFeatures; ++f) {
    for (int g = 0; g < kNumFeatures; ++g)
      out.shared_mean[f] += shared.prior_factor(f, g) * step[g];
  }
  const Matrix root = SolveLower(shared.lower, Transpose(shared.prior_factor));
  out.shared_factor = Cholesky(Multiply(Transpose(root), root));
  for (int64_t c = 0; c < truth.classes; ++c) {
    out.classes.push_back(SolveClass(truth, hyper, pairs, c, systems[c], out.shared_mean));
  }
  return out;
}

}  // namespace mgral::core
