#include "server/core/lookup/choose_pairs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

struct Candidate {
  CellPair cells;
  std::vector<double> z;  // [O]
  double strength = 0;    // spread of z over the observations: how well it can be told apart
};

// Pairs that at least two observations hold and at least one does not, the best spread first.
std::vector<Candidate> Candidates(const Truth& truth) {
  std::vector<Candidate> out;
  const int64_t cells = truth.psi.cols, rows = truth.rows();
  for (int32_t k = 0; k < cells; ++k) {
    for (int32_t l = k + 1; l < cells; ++l) {
      Candidate candidate{{k, l}, std::vector<double>(rows), 0};
      int64_t holds = 0;
      double mean = 0;
      for (int64_t o = 0; o < rows; ++o) {
        candidate.z[o] = truth.psi(o, k) * truth.psi(o, l);
        holds += candidate.z[o] > 0 ? 1 : 0;
        mean += candidate.z[o] / static_cast<double>(rows);
      }
      if (holds < 2 || holds == rows) continue;
      for (double z : candidate.z) candidate.strength += (z - mean) * (z - mean);
      out.push_back(std::move(candidate));
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Candidate& a, const Candidate& b) { return a.strength > b.strength; });
  if (out.size() > prior::kMostPairCandidates) out.resize(prior::kMostPairCandidates);
  return out;
}

// Covariance of a class's rows with the shared weights integrated out, inverted: the classes are
// treated as independent, which is close enough to compare pairs.
struct Marginal {
  std::vector<int64_t> rows;
  double unit = 0;
  Matrix inverse;
  std::vector<double> weighted;  // inverse * residual
};

Matrix Inverse(const Matrix& a) {
  const Matrix lower = Cholesky(a);
  Matrix identity(a.rows, a.rows);
  for (int64_t i = 0; i < a.rows; ++i) identity(i, i) = 1;
  const Matrix root = SolveLower(lower, identity);
  return Multiply(Transpose(root), root);
}

Marginal MakeMarginal(const Truth& truth, const Matrix& gram, const Hyper& hyper,
                      const std::vector<PairTerm>& pairs, int64_t c) {
  Marginal out;
  out.unit = hyper.level * truth.unit[c];
  for (int64_t o = 0; o < truth.rows(); ++o) {
    if (std::isfinite(truth.variance[c][o])) out.rows.push_back(o);
  }
  const int64_t n = static_cast<int64_t>(out.rows.size());
  Matrix covariance(n, n);
  std::vector<double> residual(n);
  const double square = out.unit * out.unit;
  const Matrix& x = truth.x[c];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = out.rows[i];
    residual[i] = truth.y[c][a];
    for (int f = 0; f < kNumFeatures; ++f) residual[i] -= out.unit * prior::kWeight[f] * x(a, f);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t b = out.rows[j];
      double sum = hyper.amplitude * hyper.amplitude * gram(a, b), own_a = 0, own_b = 0;
      for (int f = 0; f < kNumFeatures; ++f) {
        sum += (std::pow(prior::kClassSd[f], 2) + std::pow(prior::kSharedSd[f], 2)) * x(a, f) *
               x(b, f);
        own_a += prior::kScaleSd * prior::kWeight[f] * x(a, f);
        own_b += prior::kScaleSd * prior::kWeight[f] * x(b, f);
      }
      sum += own_a * own_b;
      if (truth.kind[a] == truth.kind[b]) sum += truth.intercept[a] * truth.intercept[b];
      for (const PairTerm& pair : pairs) {
        if (!pair.active[c]) continue;
        sum += pair.sd * pair.sd * truth.psi(a, pair.cells.k) * truth.psi(a, pair.cells.l) *
               truth.psi(b, pair.cells.k) * truth.psi(b, pair.cells.l);
      }
      covariance(i, j) = square * sum;
    }
    covariance(i, i) += hyper.noise * truth.variance[c][a];
  }
  out.inverse = Inverse(covariance);
  out.weighted.assign(n, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) out.weighted[i] += out.inverse(i, j) * residual[j];
  }
  return out;
}

// What the log marginal likelihood of a class gains when the pair enters: a rank-one update.
double Improvement(const Marginal& marginal, const std::vector<double>& z, double sd) {
  double fit = 0, size = 0;
  const int64_t n = static_cast<int64_t>(marginal.rows.size());
  for (int64_t i = 0; i < n; ++i) {
    const double zi = z[marginal.rows[i]];
    if (zi == 0) continue;
    fit += zi * marginal.weighted[i];
    for (int64_t j = 0; j < n; ++j) size += zi * marginal.inverse(i, j) * z[marginal.rows[j]];
  }
  const double variance = std::pow(sd * marginal.unit, 2);
  return -0.5 * std::log1p(variance * size) + 0.5 * variance * fit * fit / (1 + variance * size);
}

}  // namespace

std::vector<PairTerm> ChoosePairs(const Truth& truth, const Hyper& hyper) {
  std::vector<PairTerm> chosen;
  if (truth.rows() < 2 * prior::kFewestObservations) return chosen;
  const std::vector<Candidate> candidates = Candidates(truth);
  if (candidates.empty()) return chosen;
  const Matrix gram = MultiplyTransposed(Multiply(truth.phi, truth.kernel), truth.phi);
  const double per_class = 0.5 * std::log(static_cast<double>(truth.rows()));
  const double penalty = std::log(static_cast<double>(candidates.size() * truth.classes));
  while (static_cast<int>(chosen.size()) < prior::kMostPairs) {
    std::vector<Marginal> marginals;
    for (int64_t c = 0; c < truth.classes; ++c) {
      marginals.push_back(MakeMarginal(truth, gram, hyper, chosen, c));
    }
    PairTerm best;
    double most = penalty;
    for (const Candidate& candidate : candidates) {
      for (double sd : prior::kPairSds) {
        PairTerm term{candidate.cells, std::vector<bool>(truth.classes, false), sd};
        double sum = 0;
        for (int64_t c = 0; c < truth.classes; ++c) {
          const double net = Improvement(marginals[c], candidate.z, sd) - per_class;
          term.active[c] = net > 0;
          sum += std::max(0.0, net);
        }
        const bool again = std::any_of(chosen.begin(), chosen.end(), [&](const PairTerm& pair) {
          return pair.cells.k == term.cells.k && pair.cells.l == term.cells.l;
        });
        if (sum > most && !again) {
          most = sum;
          best = std::move(term);
        }
      }
    }
    if (best.active.empty()) break;
    chosen.push_back(std::move(best));
  }
  return chosen;
}

}  // namespace mgral::core
