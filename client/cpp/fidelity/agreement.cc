#include "client/cpp/fidelity/agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "client/cpp/report/statistics.h"
#include "client/cpp/synth/seeded_random.h"

namespace mgral::client {
namespace {

constexpr int kDraws = 2000;
constexpr double kMostUndefined = 0.1;

double MeanOf(const Values& values) { return Mean(values).value_or(0); }

// The mean of equally long rows.
Values MeanRow(const std::vector<Values>& rows) {
  Values mean(rows.front().size());
  for (const Values& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      mean[i] += row[i] / static_cast<double>(rows.size());
    }
  }
  return mean;
}

// Variance of what neither the rows' nor the columns' means explain. At least two of both.
double InteractionVariance(const std::vector<Values>& rows) {
  const Values columns = MeanRow(rows);
  const double all = MeanOf(columns);
  double squares = 0;
  for (const Values& row : rows) {
    const double mean = MeanOf(row);
    for (size_t i = 0; i < row.size(); ++i) {
      const double rest = row[i] - mean - columns[i] + all;
      squares += rest * rest;
    }
  }
  return squares / static_cast<double>((rows.size() - 1) * (columns.size() - 1));
}

Values At(const Values& values, const std::vector<size_t>& drawn) {
  Values picked;
  picked.reserve(drawn.size());
  for (const size_t i : drawn) picked.push_back(values[i]);
  return picked;
}

TruthSample Resample(const TruthSample& sample, bool all_luck, SeededRandom& random) {
  std::vector<size_t> drawn(sample.size());
  for (size_t& i : drawn) i = random.Index(sample.size());
  TruthSample result;
  result.estimate = At(sample.estimate, drawn);
  result.standard_error = At(sample.standard_error, drawn);
  result.images = At(sample.images, drawn);
  result.boxes = At(sample.boxes, drawn);
  const size_t first = random.Index(2), second = random.Index(2);
  std::vector<Values> rows;
  for (const auto& gains : sample.gains) {
    auto& row = result.gains.emplace_back();
    for (size_t part = 0; part < kTestParts; ++part) row[part] = At(gains[part], drawn);
    rows.push_back(row[first]);
    rows.push_back(row[second]);
  }
  result.bases = sample.bases;
  if (!all_luck || rows.empty()) {
    result.real = At(sample.real, drawn);
    return result;
  }
  for (double& base : result.bases) base = sample.bases[random.Index(sample.bases.size())];
  const double shift = MeanOf(result.bases) - MeanOf(sample.bases);
  result.real = MeanRow(rows);
  for (double& real : result.real) real -= shift;
  return result;
}

}  // namespace

Number PartialRankCorrelation(const Values& a, const Values& b, const Values& given) {
  const Number ab = RankCorrelation(a, b);
  const Number ag = RankCorrelation(a, given);
  const Number bg = RankCorrelation(b, given);
  if (!ab || !ag || !bg) return std::nullopt;
  const double left = (1 - *ag * *ag) * (1 - *bg * *bg);
  if (left < 1e-9) return std::nullopt;
  return (*ab - *ag * *bg) / std::sqrt(left);
}

Number RankCorrelationWithin(const Values& a, const Values& b, const std::vector<int>& groups) {
  double sum = 0, weight = 0;
  const int last = groups.empty() ? -1 : *std::max_element(groups.begin(), groups.end());
  for (int group = 0; group <= last; ++group) {
    std::vector<size_t> members;
    for (size_t i = 0; i < groups.size(); ++i) {
      if (groups[i] == group) members.push_back(i);
    }
    const Number correlation = RankCorrelation(At(a, members), At(b, members));
    if (!correlation) continue;
    sum += static_cast<double>(members.size()) * *correlation;
    weight += static_cast<double>(members.size());
  }
  return weight > 0 ? Number(sum / weight) : Number();
}

std::vector<int> Terciles(const Values& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<int> terciles(values.size());
  for (size_t rank = 0; rank < order.size(); ++rank) {
    terciles[order[rank]] = static_cast<int>(3 * rank / order.size());
  }
  return terciles;
}

Number Ceiling(const Number& test_retest, int replicates) {
  if (!test_retest || *test_retest <= 0) return std::nullopt;
  return std::sqrt(replicates * *test_retest / (1 + (replicates - 1) * *test_retest));
}

Regression Regress(const Values& x, const Values& y) {
  const double mean_x = MeanOf(x), mean_y = MeanOf(y);
  double xx = 0, xy = 0, around_xx = 0, around_xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += x[i] * x[i];
    xy += x[i] * y[i];
    around_xx += (x[i] - mean_x) * (x[i] - mean_x);
    around_xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  Regression regression;
  if (xx > 0) regression.through_origin = xy / xx;
  if (around_xx > 0) {
    regression.slope = around_xy / around_xx;
    regression.intercept = mean_y - *regression.slope * mean_x;
  }
  return regression;
}

Number TestRetest(const TruthSample& sample) {
  const auto& gains = sample.gains;
  if (gains.empty()) return std::nullopt;
  Values correlations;
  for (size_t s = 0; s < gains.size(); ++s) {
    for (size_t t = 0; t < gains.size(); ++t) {
      if (s == t && gains.size() > 1) continue;
      const Number r = RankCorrelation(gains[s][kFirstHalf], gains[t][kSecondHalf]);
      if (r) correlations.push_back(*r);
    }
  }
  return Mean(correlations);
}

std::optional<TruthNoise> EstimateNoise(const TruthSample& sample) {
  if (sample.size() < 2 || sample.gains.empty()) return std::nullopt;
  std::vector<Values> all, differences;
  for (const auto& gains : sample.gains) {
    all.push_back(gains[kAllTest]);
    Values& row = differences.emplace_back(gains[kFirstHalf]);
    for (size_t i = 0; i < row.size(); ++i) row[i] -= gains[kSecondHalf][i];
  }
  // A gain is the mean of its halves', and so has a quarter of their difference's variance.
  const double halves = *Variance(MeanRow(differences)) / 4;
  TruthNoise noise{halves, 0};
  const double bases = static_cast<double>(sample.bases.size());
  if (bases > 1) noise.of_base = *Variance(sample.bases) / bases;
  if (all.size() < 2) return noise;
  const double seeds = static_cast<double>(all.size());
  // What a training does to one half and not the other is in both terms.
  const double both = InteractionVariance(differences) / seeds / 4;
  noise.of_batch = InteractionVariance(all) / seeds + std::max(0.0, halves - both);
  return noise;
}

Number CoverageOf95(const TruthSample& sample, double noise) {
  if (sample.size() == 0) return std::nullopt;
  size_t covered = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double error = std::hypot(sample.standard_error[i], std::sqrt(noise));
    covered += std::abs(sample.real[i] - sample.estimate[i]) <= kNormal95 * error;
  }
  return static_cast<double>(covered) / static_cast<double>(sample.size());
}

Choice ChoiceOf(const Values& estimate, const Values& real) {
  const auto chosen = std::max_element(estimate.begin(), estimate.end()) - estimate.begin();
  return {real[static_cast<size_t>(chosen)], MeanOf(real),
          *std::max_element(real.begin(), real.end())};
}

std::array<Choice, 3> ChoicesBySize(const TruthSample& sample) {
  const std::vector<int> terciles = Terciles(sample.images);
  std::array<Choice, 3> choices;
  for (int tercile = 0; tercile < 3; ++tercile) {
    std::vector<size_t> members;
    for (size_t i = 0; i < terciles.size(); ++i) {
      if (terciles[i] == tercile) members.push_back(i);
    }
    if (members.empty()) continue;
    choices[static_cast<size_t>(tercile)] =
        ChoiceOf(At(sample.estimate, members), At(sample.real, members));
  }
  return choices;
}

Figure Bootstrap(const TruthSample& sample, bool all_luck,
                 const std::function<Number(const TruthSample&)>& statistic) {
  Figure figure;
  figure.value = statistic(sample);
  if (!figure.value) return figure;
  SeededRandom random(1);
  Values values;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Number value = statistic(Resample(sample, all_luck, random));
    if (value) values.push_back(*value);
  }
  if (static_cast<double>(values.size()) < (1 - kMostUndefined) * kDraws) return figure;
  figure.ci95 = Interval{Percentile(0.025, &values), Percentile(0.975, &values)};
  return figure;
}

}  // namespace mgral::client
