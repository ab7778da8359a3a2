#include "server/core/lookup/fidelity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace mgral::core {
namespace {

constexpr size_t kMostPairs = 600;  // of probes that are left out for the concordance

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

// Over the classes that the probe measured; `responses` may be those of a half, with gaps.
double MeanResponse(const ReplayProbe& probe, const std::vector<double>& responses) {
  double sum = 0, count = 0;
  for (size_t c = 0; c < responses.size(); ++c) {
    if (!probe.Measured(static_cast<int64_t>(c)) || std::isnan(responses[c])) continue;
    sum += responses[c];
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

double PredictedResponse(const ReplayProbe& probe, const WeightPosterior& posterior) {
  double sum = 0, count = 0;
  for (size_t c = 0; c < posterior.classes.size(); ++c) {
    if (!probe.Measured(static_cast<int64_t>(c))) continue;
    for (int f = 0; f < kNumFeatures; ++f) {
      sum += posterior.classes[c].mean[f] * probe.features[c * kNumFeatures + f];
    }
    count += 1;
  }
  return count > 0 ? sum / count : 0;
}

using Bases = std::map<int, std::vector<size_t>>;  // the probes of each

// Rank correlation within each base, mean weighted by probes; a constant side says nothing: 0.
double WithinBases(const Bases& bases, const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0, weight = 0;
  for (const auto& [id, members] : bases) {
    if (members.size() < 3) continue;
    std::vector<double> x, y;
    for (const size_t p : members) {
      x.push_back(a[p]);
      y.push_back(b[p]);
    }
    const double correlation = RankCorrelation(x, y);
    sum += static_cast<double>(members.size()) * (std::isnan(correlation) ? 0 : correlation);
    weight += static_cast<double>(members.size());
  }
  return weight > 0 ? sum / weight : std::nan("");
}

double SpreadWithin(const Bases& bases, const std::vector<double>& values) {
  double square = 0, freedom = 0;
  for (const auto& [id, members] : bases) {
    double mean = 0;
    for (const size_t p : members) mean += values[p] / static_cast<double>(members.size());
    for (const size_t p : members) square += (values[p] - mean) * (values[p] - mean);
    freedom += static_cast<double>(members.size()) - 1;
  }
  return freedom > 0 ? std::sqrt(square / freedom) : std::nan("");
}

// Each from the probes of the other bases.
std::vector<double> PredictFromOtherBases(const ProbeRows& probes, const Bases& bases,
                                          int64_t classes) {
  std::vector<double> predicted(probes.size());
  for (const auto& [id, members] : bases) {
    ProbeRows others;
    for (const ReplayProbe* probe : probes) {
      if (probe->base != id) others.push_back(probe);
    }
    const WeightPosterior posterior = SolveWeights(others, classes, ChooseHyper(others, classes));
    for (const size_t p : members) predicted[p] = PredictedResponse(*probes[p], posterior);
  }
  return predicted;
}

// Evenly chosen where there are too many.
std::vector<std::pair<size_t, size_t>> Pairs(const Bases& bases) {
  std::vector<std::pair<size_t, size_t>> all, out;
  for (const auto& [id, members] : bases) {
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t j = i + 1; j < members.size(); ++j) all.emplace_back(members[i], members[j]);
    }
  }
  const size_t step = (all.size() + kMostPairs - 1) / kMostPairs;
  for (size_t i = 0; i < all.size(); i += step) out.push_back(all[i]);
  return out;
}

double Concordance(const ProbeRows& probes, const Bases& bases, const std::vector<double>& measured,
                   int64_t classes, const Hyper& hyper) {
  double sum = 0, count = 0;
  for (const auto& [a, b] : Pairs(bases)) {
    if (measured[a] == measured[b]) continue;
    ProbeRows others;
    for (size_t p = 0; p < probes.size(); ++p) {
      if (p != a && p != b) others.push_back(probes[p]);
    }
    const WeightPosterior posterior = SolveWeights(others, classes, hyper);
    const double difference =
        PredictedResponse(*probes[a], posterior) - PredictedResponse(*probes[b], posterior);
    const double sign = difference > 0 ? 1 : difference < 0 ? -1 : 0;
    sum += measured[a] > measured[b] ? sign : -sign;
    count += 1;
  }
  return count > 0 ? sum / count : std::nan("");
}

// sqrt(2 r / (1 + r)), with r the correlation of the two halves (Spearman and Brown).
double Ceiling(const ProbeRows& probes, const Bases& bases) {
  std::vector<double> halves[2];
  for (int half = 0; half < 2; ++half) {
    for (const ReplayProbe* probe : probes) {
      if (probe->half_response[half].empty()) return std::nan("");
      halves[half].push_back(MeanResponse(*probe, probe->half_response[half]));
    }
  }
  const double r = WithinBases(bases, halves[0], halves[1]);
  return r < 0 ? 0 : std::sqrt(2 * r / (1 + r));
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

TableFidelity MeasureFidelity(const ProbeRows& probes, int64_t classes, const Hyper& hyper) {
  TableFidelity out;
  Bases bases;
  std::vector<double> measured;
  for (size_t p = 0; p < probes.size(); ++p) {
    bases[probes[p]->base].push_back(p);
    measured.push_back(MeanResponse(*probes[p], probes[p]->response));
  }
  out.probes = static_cast<int64_t>(probes.size());
  out.bases = static_cast<int64_t>(bases.size());
  if (probes.size() < kFewestProbes) return out;
  out.fidelity = WithinBases(bases, PredictFromOtherBases(probes, bases, classes), measured);
  out.concordance = Concordance(probes, bases, measured, classes, hyper);
  out.ceiling = Ceiling(probes, bases);
  out.truth_spread = SpreadWithin(bases, measured);
  return out;
}

}  // namespace mgral::core
