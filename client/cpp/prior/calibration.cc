#include "client/cpp/prior/calibration.h"

#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "client/cpp/report/statistics.h"

namespace mgral::client {
namespace {

// Slope of realized on estimated gain, and its standard error with the pools as clusters.
void SetSlope(const std::vector<FirstBatch>& batches, Calibration* out) {
  const double n = static_cast<double>(batches.size());
  double x = 0, y = 0, xx = 0, xy = 0;
  for (const FirstBatch& batch : batches) {
    x += batch.estimate / n;
    y += batch.realized / n;
  }
  for (const FirstBatch& batch : batches) {
    xx += std::pow(batch.estimate - x, 2);
    xy += (batch.estimate - x) * batch.realized;
  }
  if (x > 0) out->ratio = y / x;
  if (out->pools < 3 || xx <= 1e-12) return;
  out->slope = xy / xx;
  std::map<const SimulatedPool*, double> scores;
  for (const FirstBatch& batch : batches) {
    const double off = batch.estimate - x;
    scores[batch.pool] += off * (batch.realized - y - *out->slope * off);
  }
  double square = 0;
  for (const auto& [pool, score] : scores) square += score * score;
  const double clusters = static_cast<double>(scores.size());
  out->slope_error = std::sqrt(square * clusters / (clusters - 1)) / xx;
}

Calibration Summary(const std::string& name, const std::vector<FirstBatch>& batches,
                    const std::vector<double>& residual_shares) {
  Calibration out;
  out.dataset = name;
  out.batches = static_cast<int>(batches.size());
  std::set<const SimulatedPool*> pools;
  for (const FirstBatch& batch : batches) pools.insert(batch.pool);
  out.pools = static_cast<int>(pools.size());
  if (batches.empty()) return out;
  double inside = 0;
  for (size_t b = 0; b < batches.size(); ++b) {
    inside += LeastResidual(batches[b]) <= std::pow(residual_shares[b], 2) + 1e-12 ? 1 : 0;
  }
  out.coverage = inside / static_cast<double>(batches.size());
  SetSlope(batches, &out);
  return out;
}

std::vector<const SimulatedPool*> Pointers(const std::vector<SimulatedPool>& pools) {
  std::vector<const SimulatedPool*> out;
  for (const SimulatedPool& pool : pools) out.push_back(&pool);
  return out;
}

}  // namespace

std::vector<FirstBatch> FirstBatches(const std::vector<const SimulatedPool*>& pools,
                                     const PriorValues& values) {
  std::vector<FirstBatch> out;
  for (const SimulatedPool* pool : pools) {
    const double rescale = Rescale(*pool, values);
    for (const EstimatedBatch& batch : pool->batches) {
      if (batch.before != 0) continue;
      out.push_back({pool, values.kappa * rescale * batch.estimate, batch.test_gain,
                     batch.weight_var + std::pow(values.kappa_sd / values.kappa, 2),
                     2 * values.test_noise * values.test_noise});
    }
  }
  return out;
}

double LeastResidual(const FirstBatch& batch) {
  const double off = std::pow((batch.realized - batch.estimate) / kNormal95, 2);
  return (off - batch.noise) / (batch.estimate * batch.estimate) - batch.share;
}

Calibration Calibrate(const std::vector<SimulatedPool>& pools, const PriorValues& values) {
  const std::vector<FirstBatch> batches = FirstBatches(Pointers(pools), values);
  return Summary(pools.empty() ? "" : pools.front().dataset, batches,
                 std::vector<double>(batches.size(), values.residual_share));
}

absl::StatusOr<std::vector<Calibration>> LeaveOneDatasetOut(
    const std::vector<SimulatedPool>& pools) {
  std::set<std::string> names;
  for (const SimulatedPool& pool : pools) names.insert(pool.dataset);
  std::vector<Calibration> out;
  if (names.size() < 2) return out;
  std::vector<FirstBatch> everything;
  std::vector<double> shares;
  for (const std::string& name : names) {
    std::vector<SimulatedPool> others;
    std::vector<const SimulatedPool*> left_out;
    for (const SimulatedPool& pool : pools) {
      if (pool.dataset == name) {
        left_out.push_back(&pool);
      } else {
        others.push_back(pool);
      }
    }
    const absl::StatusOr<PriorFit> fit = FitPrior(others);
    if (!fit.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("without ", name, ": ", fit.status().message()));
    }
    const std::vector<FirstBatch> batches = FirstBatches(left_out, fit->values);
    const std::vector<double> share(batches.size(), fit->values.residual_share);
    out.push_back(Summary(name, batches, share));
    everything.insert(everything.end(), batches.begin(), batches.end());
    shares.insert(shares.end(), share.begin(), share.end());
  }
  out.push_back(Summary("all", everything, shares));
  return out;
}

}  // namespace mgral::client
