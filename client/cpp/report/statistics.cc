#include "client/cpp/report/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <random>

namespace mgral::client {
namespace {

constexpr int kBootstrapDraws = 10000;
constexpr uint64_t kBootstrapSeed = 1;

std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t j = i; j < end; ++j) ranks[order[j]] = (i + end - 1) / 2.0;
    i = end;
  }
  return ranks;
}

// s / √n. At least two values.
double StandardError(const std::vector<double>& values) {
  return std::sqrt(*Variance(values) / static_cast<double>(values.size()));
}

}  // namespace

Number Mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

Number Variance(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double mean = *Mean(values);
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  return squares / (static_cast<double>(values.size()) - 1);
}

std::optional<Interval> MeanInterval(const std::vector<double>& values, double confidence) {
  if (values.size() < 2) return std::nullopt;
  const double mean = *Mean(values);
  const boost::math::students_t distribution(static_cast<double>(values.size()) - 1);
  const double t = boost::math::quantile(distribution, (1 + confidence) / 2);
  const double half = t * StandardError(values);
  return Interval{mean - half, mean + half};
}

std::optional<Interval> BootstrapInterval(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  std::mt19937_64 random(kBootstrapSeed);  // its numbers are the same everywhere
  std::vector<double> means(kBootstrapDraws);
  for (double& mean : means) {
    for (size_t i = 0; i < values.size(); ++i) mean += values[random() % values.size()];
    mean /= static_cast<double>(values.size());
  }
  return Interval{Percentile(0.025, &means), Percentile(0.975, &means)};
}

Number PairedPValue(const std::vector<double>& differences) {
  if (differences.size() < 2) return std::nullopt;
  const double mean = *Mean(differences);
  const double error = StandardError(differences);
  if (error <= 1e-12 * std::abs(mean)) return mean == 0 ? 1 : 0;
  const boost::math::students_t distribution(static_cast<double>(differences.size()) - 1);
  return 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(mean) / error));
}

bool IsEquivalent(const std::vector<double>& differences, double margin) {
  const std::optional<Interval> interval = MeanInterval(differences, 0.90);
  return interval && interval->low > -margin && interval->high < margin;
}

std::vector<HolmAdjusted> Holm(const std::vector<double>& p_values, double alpha) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<HolmAdjusted> adjusted(p_values.size());
  double least = 0;
  double factor = 0;
  bool failed = false;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double own_factor = static_cast<double>(order.size() - rank);
    least = std::max(least, std::min(1.0, own_factor * p_values[order[rank]]));
    // Behind the first that fails all fail, and so must all intervals contain 0.
    if (!failed) factor = own_factor;
    failed = failed || !(least < alpha);
    adjusted[order[rank]] = {least, 1 - alpha / factor};
  }
  return adjusted;
}

std::optional<Interval> Range(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return Interval{*low, *high};
}

Number RankCorrelation(const std::vector<std::pair<double, double>>& pairs) {
  std::vector<double> a, b;
  for (const auto& [x, y] : pairs) {
    a.push_back(x);
    b.push_back(y);
  }
  return RankCorrelation(a, b);
}

Number RankCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 3) return std::nullopt;
  const std::vector<double> a_ranks = Ranks(a), b_ranks = Ranks(b);
  const double mean = (static_cast<double>(a.size()) - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a_ranks[i] - mean) * (b_ranks[i] - mean);
    aa += (a_ranks[i] - mean) * (a_ranks[i] - mean);
    bb += (b_ranks[i] - mean) * (b_ranks[i] - mean);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

double Percentile(double share, std::vector<double>* values) {
  const double at = share * static_cast<double>(values->size() - 1);
  const auto below = values->begin() + static_cast<long>(at);
  std::nth_element(values->begin(), below, values->end());
  if (below + 1 == values->end()) return *below;
  const double above = *std::min_element(below + 1, values->end());
  return *below + (at - std::floor(at)) * (above - *below);
}

}  // namespace mgral::client
