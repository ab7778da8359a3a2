#include "client/cpp/prior/read_pool.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "server/core/lookup/features.h"
#include "server/core/lookup/gain_level.h"
#include "server/core/lookup/regression.h"

namespace mgral::client {
namespace {

using core::kNumFeatures;

[[noreturn]] void Refuse(const std::string& what) { throw std::invalid_argument(what); }

// The table that the strategy's run picked its batch number `cycle` by. The strategies of a seed
// share the first one.
const LookupRow* TableOf(const Results& results, const std::string& strategy, int64_t cycle) {
  for (const LookupRow& row : results.lookup) {
    if (row.cycle == cycle && (cycle == 1 || row.strategy == strategy)) return &row;
  }
  return nullptr;
}

void CheckWeights(const LookupRow& row) {
  if (row.weights.empty()) Refuse("lookup: has no weights; was it made by an earlier release?");
  bool same = row.weights.size() == kNumFeatures;
  for (int f = 0; same && f < kNumFeatures; ++f) {
    same = row.weights[f].feature == core::kFeatureNames[f];
  }
  if (!same) Refuse("lookup.weights: are those of other features");
  if (!row.level) Refuse("lookup.level: is missing; was it made by an earlier release?");
  for (const WeightRow& weight : row.weights) {
    if (weight.covariance.size() != kNumFeatures) {
      Refuse("lookup.weights.covariance: has a wrong number of values");
    }
    if (!(weight.prior_standard_deviation > 0)) {
      Refuse("lookup.weights.prior_standard_deviation: is not above 0");
    }
  }
}

// What the probes say is what the posterior says beyond the prior.
void TakeEvidence(const LookupRow& row, SimulatedPool* pool) {
  core::Matrix covariance(kNumFeatures, kNumFeatures);
  std::vector<double> mean;
  for (int f = 0; f < kNumFeatures; ++f) {
    mean.push_back(row.weights[f].weight);
    for (int g = 0; g < kNumFeatures; ++g) covariance(f, g) = row.weights[f].covariance[g];
  }
  pool->weights = mean;
  if (!row.weights_fitted) return;
  const core::Matrix lower = core::Cholesky(covariance);
  for (int f = 0; f < kNumFeatures; ++f) {
    if (!(lower(f, f) > 0)) Refuse("lookup.weights.covariance: is singular");
  }
  pool->weights = core::ProjectToPositive(mean, covariance);
  core::Matrix unit(kNumFeatures, kNumFeatures);
  for (int f = 0; f < kNumFeatures; ++f) unit(f, f) = 1;
  const core::Matrix root = core::SolveLower(lower, unit);
  pool->information = core::Multiply(core::Transpose(root), root);
  for (int f = 0; f < kNumFeatures; ++f) {
    double pull = 0;
    for (int g = 0; g < kNumFeatures; ++g) pull += pool->information(f, g) * mean[g];
    const double prior = std::pow(row.weights[f].prior_standard_deviation, -2);
    pool->pull.push_back(pull - prior * row.weights[f].prior_weight);
    pool->information(f, f) -= prior;
    if (pool->information(f, f) < -1e-6 * prior) {
      Refuse("lookup.weights.covariance: is wider than the prior");
    }
  }
}

// Of the batch that led to the run's point; false where something is missing.
bool TakeBatch(const Results& results, const StrategyRun& run, size_t at, EstimatedBatch* batch) {
  const CurvePoint& point = run.points[at];
  const LookupRow* table = TableOf(results, run.strategy, static_cast<int64_t>(at));
  if (table == nullptr || !table->kappa || !(*table->kappa > 0)) return false;
  if (!point.estimated_gain || !(*point.estimated_gain > 0) || !point.test_gain) return false;
  batch->estimate = *point.estimated_gain / *table->kappa;
  const double share = point.estimated_gain_se.value_or(0) / *point.estimated_gain;
  const double kappa = table->kappa_standard_deviation.value_or(0) / *table->kappa;
  const double residual = table->residual_share.value_or(0);
  batch->weight_var = std::max(0.0, share * share - kappa * kappa - residual * residual);
  batch->test_gain = *point.test_gain;
  batch->validation_gain = point.realized_gain;
  return true;
}

void TakeRandomGain(const Results& results, const LookupRow& row, SimulatedPool* pool) {
  for (const WeightRow& weight : row.weights) {
    pool->random_gain.push_back(weight.random_gain.value_or(0));
  }
  const StrategyRun& run = results.runs.front();
  const int64_t labeled = run.points.empty() ? 0 : run.points.front().labels;
  const int64_t left = results.protocol.value("pool_images", int64_t{0}) - labeled;
  if (labeled <= 0) Refuse("runs.points.labels: is not above 0");
  if (left <= 0) Refuse("protocol.pool_images: is not above runs.points.labels");
  pool->log_images = core::LogGrowth(labeled, left);
}

SimulatedPool ToPool(const Results& results) {
  SimulatedPool pool;
  pool.dataset = results.dataset;
  if (pool.dataset.empty()) Refuse("dataset: is missing");
  pool.date = results.protocol.value("started", "").substr(0, 10);
  const LookupRow* first = TableOf(results, "", 1);
  if (first == nullptr) Refuse("lookup: no cycle had a table; simulate lookup_greedy, too");
  CheckWeights(*first);
  TakeEvidence(*first, &pool);
  TakeRandomGain(results, *first, &pool);
  int detectors = 0;  // beside the first, which all runs share
  for (const StrategyRun& run : results.runs) {
    if (!run.complete) continue;
    if (run.seed != results.runs.front().seed) Refuse("runs: have several seeds; a pool has one");
    for (size_t at = 1; at < run.points.size(); ++at) {
      ++detectors;
      EstimatedBatch batch;
      if (!TakeBatch(results, run, at, &batch)) continue;
      batch.before = at == 1 ? 0 : detectors - 1;
      batch.after = detectors;
      pool.batches.push_back(batch);
    }
  }
  if (pool.batches.empty()) Refuse("runs: no finished one has a batch with an estimated gain");
  return pool;
}

}  // namespace

absl::StatusOr<SimulatedPool> ReadPool(const std::string& folder) {
  const std::string file = (std::filesystem::path(folder) / "results.json").string();
  const absl::StatusOr<Results> results = ReadResults(file);
  if (!results.ok()) return results.status();
  try {
    SimulatedPool pool = ToPool(*results);
    pool.name = folder;
    return pool;
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", error.what()));
  }
}

}  // namespace mgral::client
