#include "server/core/lookup/fidelity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/choose_pairs.h"

namespace mgral::core {
namespace {

constexpr int64_t kFewestRealized = 5;
constexpr int64_t kFewestRepeated = 4;

double MeanResponse(const Truth& truth, const Observation& observation, int64_t o) {
  double sum = 0, count = 0;
  for (int64_t c = 0; c < truth.classes; ++c) {
    if (!std::isfinite(truth.variance[c][o])) continue;
    sum += observation.response[c];
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

// Rows of the kind that counts as truth here, by batch.
std::vector<std::vector<int64_t>> Batches(const std::vector<const Observation*>& observations) {
  int64_t replay = 0;
  for (const Observation* observation : observations) {
    replay += observation->kind == ObservationKind::kReplay ? 1 : 0;
  }
  const ObservationKind kind = replay > 0 ? ObservationKind::kReplay : ObservationKind::kRealized;
  std::map<int64_t, std::vector<int64_t>> repeated;
  std::vector<std::vector<int64_t>> out;
  for (size_t o = 0; o < observations.size(); ++o) {
    if (observations[o]->kind != kind) continue;
    if (observations[o]->batch_id < 0) {
      out.push_back({static_cast<int64_t>(o)});
    } else {
      repeated[observations[o]->batch_id].push_back(static_cast<int64_t>(o));
    }
  }
  for (auto& [id, rows] : repeated) out.push_back(std::move(rows));
  if (kind == ObservationKind::kRealized && static_cast<int64_t>(out.size()) < kFewestRealized) {
    out.clear();
  }
  return out;
}

// Rows of `truth` with keep[o] only.
Truth Subset(const Truth& truth, const std::vector<bool>& keep) {
  std::vector<int64_t> rows;
  for (int64_t o = 0; o < truth.rows(); ++o) {
    if (keep[o]) rows.push_back(o);
  }
  const auto pick = [&](const Matrix& from) {
    Matrix to(static_cast<int64_t>(rows.size()), from.cols);
    for (int64_t i = 0; i < to.rows; ++i) {
      for (int64_t j = 0; j < to.cols; ++j) to(i, j) = from(rows[i], j);
    }
    return to;
  };
  Truth out = truth;
  out.phi = pick(truth.phi);
  out.psi = pick(truth.psi);
  out.kind.clear();
  out.intercept.clear();
  for (int64_t row : rows) {
    out.kind.push_back(truth.kind[row]);
    out.intercept.push_back(truth.intercept[row]);
  }
  for (int64_t c = 0; c < truth.classes; ++c) {
    out.x[c] = pick(truth.x[c]);
    out.y[c].clear();
    out.variance[c].clear();
    for (int64_t row : rows) {
      out.y[c].push_back(truth.y[c][row]);
      out.variance[c].push_back(truth.variance[c][row]);
    }
  }
  return out;
}

std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t j = i; j < end; ++j) ranks[order[j]] = 0.5 * static_cast<double>(i + end - 1);
    i = end;
  }
  return ranks;
}

}  // namespace

double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 3 || a.size() != b.size()) return std::nan("");
  const std::vector<double> x = Ranks(a), y = Ranks(b);
  const double mean = 0.5 * static_cast<double>(a.size() - 1);
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::nan("");
}

double PredictRow(const Truth& truth, const Posterior& posterior, const Hyper& hyper,
                  const std::vector<PairTerm>& pairs, int64_t o, int64_t c) {
  const std::vector<double>& mean = posterior.classes[c].mean;
  const int64_t cells = truth.phi.cols;
  double sum = 0;
  for (int64_t k = 0; k < cells; ++k) sum += truth.phi(o, k) * mean[k];
  for (int f = 0; f < kNumFeatures; ++f) {
    sum += hyper.level * truth.unit[c] * truth.x[c](o, f) * mean[cells + f];
  }
  for (size_t p = 0; p < pairs.size(); ++p) {
    sum += truth.psi(o, pairs[p].cells.k) * truth.psi(o, pairs[p].cells.l) *
           mean[cells + kNumFeatures + static_cast<int64_t>(p)];
  }
  return sum;
}

TableFidelity MeasureFidelity(const Truth& truth,
                              const std::vector<const Observation*>& observations,
                              const std::vector<std::vector<double>>& head, const Hyper& hyper,
                              bool with_pairs) {
  TableFidelity out;
  const std::vector<std::vector<int64_t>> batches = Batches(observations);
  out.truth_batches = static_cast<int64_t>(batches.size());
  std::vector<double> predicted, measured, first, second;
  for (const std::vector<int64_t>& rows : batches) {
    std::vector<bool> keep(truth.rows(), true);
    double response = 0, rest = 0;
    for (int64_t o : rows) {
      keep[o] = false;
      response += MeanResponse(truth, *observations[o], o) / static_cast<double>(rows.size());
    }
    const Truth others = Subset(truth, keep);
    const std::vector<PairTerm> pairs =
        with_pairs ? ChoosePairs(others, hyper) : std::vector<PairTerm>();
    const Posterior posterior = Solve(others, hyper, pairs);
    double gain = 0, classes = 0;
    for (int64_t c = 0; c < truth.classes; ++c) {
      if (!std::isfinite(truth.variance[c][rows[0]])) continue;
      gain += Saturate(PredictRow(truth, posterior, hyper, pairs, rows[0], c), head[c][rows[0]]);
      classes += 1;
    }
    predicted.push_back(classes > 0 ? gain / classes : 0);
    measured.push_back(response);
    if (rows.size() < 2) continue;
    first.push_back(MeanResponse(truth, *observations[rows[0]], rows[0]));
    for (size_t r = 1; r < rows.size(); ++r) {
      rest += MeanResponse(truth, *observations[rows[r]], rows[r]);
    }
    second.push_back(rest / static_cast<double>(rows.size() - 1));
  }
  if (static_cast<int64_t>(first.size()) >= kFewestRepeated) {
    out.ceiling = RankCorrelation(first, second);
  }
  if (measured.size() >= 2) {
    double mean = 0, square = 0;
    for (double value : measured) mean += value / static_cast<double>(measured.size());
    for (double value : measured) square += (value - mean) * (value - mean);
    out.truth_spread = std::sqrt(square / static_cast<double>(measured.size() - 1));
  }
  out.fidelity = RankCorrelation(predicted, measured);
  return out;
}

}  // namespace mgral::core
