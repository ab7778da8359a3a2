#include "client/cpp/report/comparison.h"

#include <algorithm>
#include <utility>

#include "client/cpp/report/curve.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/report/summary.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

constexpr double kAlpha = 0.05;
constexpr double kTieMargin = 0.01;  // one point

// Without a table, and without the truth.
bool IsBaseline(const std::string& strategy) {
  if (SeesLabels(strategy)) return false;
  const auto known = domain::StrategyNamed(strategy);
  return !known || !domain::InfoOf(*known).needs_table;
}

// Of the seeds that both have.
std::vector<double> Differences(const Areas& areas, const std::string& strategy,
                                const std::string& baseline) {
  std::vector<double> differences;
  const auto ours = areas.find(strategy);
  const auto theirs = areas.find(baseline);
  if (ours == areas.end() || theirs == areas.end()) return differences;
  for (const auto& [seed, area] : ours->second) {
    const auto other = theirs->second.find(seed);
    if (other != theirs->second.end()) differences.push_back(area - other->second);
  }
  return differences;
}

Comparison Compare(const Areas& areas, Axis axis, const std::string& strategy,
                   const std::string& baseline) {
  const std::vector<double> differences = Differences(areas, strategy, baseline);
  Comparison comparison;
  comparison.axis = axis;
  comparison.strategy = strategy;
  comparison.baseline = baseline;
  comparison.seeds = static_cast<int64_t>(differences.size());
  comparison.mean = Mean(differences);
  comparison.t95 = MeanInterval(differences);
  comparison.bootstrap95 = BootstrapInterval(differences);
  comparison.p = PairedPValue(differences);
  comparison.tie = IsEquivalent(differences, kTieMargin);
  return comparison;
}

bool IsControl(const std::string& strategy) {
  return SeesLabels(strategy) || strategy == "lookup_shuffled";
}

// A family of comparisons. Those of a single seed have no p-value and are not in it.
void CorrectFamily(const Areas& areas, const std::vector<Comparison*>& family) {
  std::vector<double> p_values;
  for (const Comparison* each : family) {
    if (each->p) p_values.push_back(*each->p);
  }
  const std::vector<HolmAdjusted> adjusted = Holm(p_values, kAlpha);
  size_t at = 0;
  for (Comparison* each : family) {
    if (!each->p) continue;
    each->p_holm = adjusted[at].p;
    each->significant = adjusted[at].p < kAlpha;
    each->t_holm =
        MeanInterval(Differences(areas, each->strategy, each->baseline), adjusted[at].confidence);
    ++at;
  }
}

// The comparisons without a control are a family, those with one another: which controls were
// played says nothing of the rest.
void CorrectByHolm(const Results& results, const Areas& areas,
                   std::vector<Comparison>* comparisons) {
  std::vector<Comparison*> contenders, controls;
  for (Comparison& each : *comparisons) {
    const bool control = IsControl(StrategyOf(results, each.strategy)) ||
                         IsControl(StrategyOf(results, each.baseline));
    (control ? controls : contenders).push_back(&each);
  }
  CorrectFamily(areas, contenders);
  CorrectFamily(areas, controls);
}

std::vector<Comparison> AgainstRandom(const Results& results, const Areas& areas, Axis axis,
                                      const std::vector<std::string>& strategies) {
  std::vector<Comparison> family;
  for (const std::string& strategy : strategies) {
    if (strategy == "random") continue;
    Comparison comparison = Compare(areas, axis, strategy, "random");
    if (comparison.mean) family.push_back(std::move(comparison));
  }
  CorrectByHolm(results, areas, &family);
  return family;
}

// Of every pair, the strategy that is listed first against the other.
std::vector<Comparison> AllPairs(const Results& results, const Areas& areas, Axis axis,
                                 const std::vector<std::string>& strategies) {
  std::vector<Comparison> family;
  for (size_t i = 0; i < strategies.size(); ++i) {
    for (size_t j = i + 1; j < strategies.size(); ++j) {
      Comparison comparison = Compare(areas, axis, strategies[i], strategies[j]);
      if (comparison.mean) family.push_back(std::move(comparison));
    }
  }
  CorrectByHolm(results, areas, &family);
  return family;
}

void Negate(std::optional<Interval>* interval) {
  if (*interval) *interval = Interval{-(*interval)->high, -(*interval)->low};
}

// The pair as `strategy` against the other of its two.
Comparison SeenFrom(const std::string& strategy, Comparison pair) {
  if (pair.strategy == strategy) return pair;
  std::swap(pair.strategy, pair.baseline);
  pair.mean = -*pair.mean;
  Negate(&pair.t95);
  Negate(&pair.bootstrap95);
  Negate(&pair.t_holm);
  return pair;
}

std::vector<Comparison> AgainstBestBaseline(const Results& results,
                                            const std::vector<Comparison>& pairs,
                                            const std::vector<std::string>& strategies) {
  std::vector<Comparison> best;
  for (const std::string& strategy : strategies) {
    std::optional<Comparison> hardest;  // the baseline that is furthest above, or least below
    for (const Comparison& pair : pairs) {
      if (pair.strategy != strategy && pair.baseline != strategy) continue;
      Comparison seen = SeenFrom(strategy, pair);
      if (seen.baseline == "random" || !IsBaseline(StrategyOf(results, seen.baseline))) continue;
      if (!hardest || *seen.mean < *hardest->mean) hardest = std::move(seen);
    }
    if (hardest) best.push_back(*std::move(hardest));
  }
  return best;
}

WinMatrix MakeWinMatrix(const Areas& areas, Axis axis, const std::vector<Comparison>& pairs,
                        const std::vector<std::string>& strategies) {
  WinMatrix matrix;
  matrix.axis = axis;
  matrix.strategies = strategies;
  const size_t count = strategies.size();
  matrix.wins.assign(count, std::vector<Number>(count));
  matrix.significant.assign(count, std::vector<bool>(count, false));
  for (const Comparison& pair : pairs) {
    const auto place = [&](const std::string& strategy) {
      return static_cast<size_t>(std::find(strategies.begin(), strategies.end(), strategy) -
                                 strategies.begin());
    };
    const size_t row = place(pair.strategy);
    const size_t column = place(pair.baseline);
    double won = 0, lost = 0;
    for (const double difference : Differences(areas, pair.strategy, pair.baseline)) {
      won += difference > 0;
      lost += difference < 0;
    }
    matrix.wins[row][column] = won / static_cast<double>(pair.seeds);
    matrix.wins[column][row] = lost / static_cast<double>(pair.seeds);
    matrix.significant[row][column] = pair.significant && *pair.mean > 0;
    matrix.significant[column][row] = pair.significant && *pair.mean < 0;
  }
  return matrix;
}

}  // namespace

Axis PrimaryAxis(const Results& results) {
  for (const StrategyRun& run : results.runs) {
    for (const CurvePoint& point : run.points) {
      if (!point.cost) return Axis::kImages;
    }
  }
  return Axis::kCost;
}

Areas AreasOf(const Results& results, Axis axis) {
  std::map<int64_t, std::vector<std::pair<std::string, Curve>>> by_seed;
  for (const StrategyRun& run : results.runs) {
    Curve curve = CurveOf(run, axis);
    if (run.complete && curve.size() > 1) {
      by_seed[run.seed].emplace_back(run.strategy, std::move(curve));
    }
  }
  Areas areas;
  for (const auto& [seed, curves] : by_seed) {
    double low = curves[0].second.front().first;
    double high = curves[0].second.back().first;
    for (const auto& [strategy, curve] : curves) {
      low = std::max(low, curve.front().first);
      high = std::min(high, curve.back().first);
    }
    for (const auto& [strategy, curve] : curves) {
      const Number area =
          axis == Axis::kImages ? AreaUnderCurve(curve) : AreaUnderCurve(curve, low, high);
      if (area) areas[strategy][seed] = *area;
    }
  }
  return areas;
}

void CompareStrategies(Results* results) {
  results->against_random.clear();
  results->against_best_baseline.clear();
  results->win_matrices.clear();
  for (const Axis axis : kAxes) {
    const Areas areas = AreasOf(*results, axis);
    std::vector<std::string> strategies;
    for (const std::string& strategy : StrategyNames(*results)) {
      if (areas.count(strategy) > 0) strategies.push_back(strategy);
    }
    if (strategies.size() < 2) continue;
    const std::vector<Comparison> pairs = AllPairs(*results, areas, axis, strategies);
    for (Comparison& each : AgainstRandom(*results, areas, axis, strategies)) {
      results->against_random.push_back(std::move(each));
    }
    for (Comparison& each : AgainstBestBaseline(*results, pairs, strategies)) {
      results->against_best_baseline.push_back(std::move(each));
    }
    results->win_matrices.push_back(MakeWinMatrix(areas, axis, pairs, strategies));
  }
}

const Comparison* FindComparison(const std::vector<Comparison>& comparisons, Axis axis,
                                 const std::string& strategy) {
  for (const Comparison& each : comparisons) {
    if (each.axis == axis && each.strategy == strategy) return &each;
  }
  return nullptr;
}

std::string VerdictOf(const Comparison& comparison) {
  if (!comparison.p) return "one seed shows nothing";
  if (comparison.significant) {
    const std::string word = comparison.mean > 0 ? "better" : "worse";
    return comparison.tie ? word + ", by less than a point" : word;
  }
  return comparison.tie ? "a tie" : "not settled";
}

}  // namespace mgral::client
