#include "server/core/selector/policy_problem.h"

#include <algorithm>
#include <cmath>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "server/core/random.h"
#include "server/core/selector/cell_frontier.h"
#include "server/core/selector/policy.h"

namespace mgral::core {
namespace {

constexpr uint64_t kProjectionSeed = 20231013;
constexpr float kMostInput = 4.0f;  // ratios of small gains can be anything

std::vector<float> Project(const std::vector<float>& rows, int64_t count, int64_t dim,
                           double spread) {
  RandomStream random(kProjectionSeed);
  std::vector<float> matrix(dim * kProjected);
  const double factor = spread > 0 ? 1 / (spread * std::sqrt(static_cast<double>(kProjected))) : 0;
  for (float& value : matrix) value = static_cast<float>(factor * random.Normal());
  std::vector<float> out(count * kProjected, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      for (int64_t p = 0; p < kProjected; ++p) {
        out[i * kProjected + p] += rows[i * dim + j] * matrix[j * kProjected + p];
      }
    }
  }
  return out;
}

// Takes the mean of the first `count` rows of `to` away from all of them.
void Center(const std::vector<float>& mean_of, std::vector<float>* values) {
  std::vector<double> mean(kProjected, 0.0);
  const int64_t rows = static_cast<int64_t>(mean_of.size()) / kProjected;
  for (int64_t i = 0; i < rows * kProjected; ++i) mean[i % kProjected] += mean_of[i];
  for (size_t i = 0; i < values->size(); ++i) {
    (*values)[i] -= static_cast<float>(mean[i % kProjected] / static_cast<double>(rows));
    (*values)[i] = LimitedInput((*values)[i]);
  }
}

// Of `rows` [N, columns], the mean of each cell's images [K, columns].
std::vector<float> CellMeans(const LookupTable& table, const std::vector<float>& rows,
                             int64_t columns) {
  std::vector<double> sum(table.cells.count * columns, 0.0), images(table.cells.count, 0.0);
  for (int64_t i = 0; i < table.images; ++i) {
    const int32_t cell = table.cell_of[i];
    images[cell] += 1;
    for (int64_t c = 0; c < columns; ++c) sum[cell * columns + c] += rows[i * columns + c];
  }
  std::vector<float> out;
  for (size_t kc = 0; kc < sum.size(); ++kc) {
    out.push_back(static_cast<float>(sum[kc] / std::max(1.0, images[kc / columns])));
  }
  return out;
}

std::vector<double> CellPrices(const LookupTable& table, const std::vector<double>& price) {
  std::vector<double> sum(table.cells.count, 0.0), images(table.cells.count, 0.0);
  for (size_t i = 0; i < price.size(); ++i) {
    sum[table.cell_of[i]] += price[i];
    images[table.cell_of[i]] += 1;
  }
  for (size_t k = 0; k < sum.size(); ++k) sum[k] /= std::max(1.0, images[k]);
  return sum;
}

}  // namespace

float LimitedInput(double value) {
  return static_cast<float>(
      std::clamp(value, -static_cast<double>(kMostInput), static_cast<double>(kMostInput)));
}

PolicyProblem::PolicyProblem(const LookupTable& t, const std::vector<float>& embeddings,
                             const std::vector<double>& price_of)
    : table(&t), price(price_of) {
  const Cells& cells = t.cells;
  projected = Project(embeddings, t.images, cells.dim, cells.spread);
  std::vector<float> centroids = Project(cells.centroids, cells.count, cells.dim, cells.spread);
  const std::vector<float> uncentered = centroids;
  Center(uncentered, &centroids);
  Center(uncentered, &projected);

  BatchState state(t, price);
  CellFrontier frontier(t);
  frontier.Refresh(state);
  double best = 0, steepest = 0;
  for (int64_t k = 0; k < cells.count; ++k) {
    const int64_t front = frontier.Front(k, state);
    cell_error.push_back(0);
    if (front < 0) continue;
    const Estimate estimate = EstimateGain(t, {front});
    best = std::max(best, estimate.gain);
    if (estimate.gain > 0) cell_error[k] = LimitedInput(estimate.standard_error / estimate.gain);
  }
  scale = best > 0 ? best : 1;
  for (const double slope : state.ClassSlopes()) steepest = std::max(steepest, slope);
  slope_scale = steepest > 0 ? steepest : 1;
  cell_mean = CellMeans(t, t.missed, t.classes);
  cell_reach = CellMeans(t, t.reach, cells.count);
  cell_price = CellPrices(t, price);
  for (int64_t k = 0; k < cells.count; ++k) {
    cell_static.insert(cell_static.end(), &centroids[k * kProjected],
                       &centroids[k * kProjected] + kProjected);
    cell_static.push_back(LimitedInput(cells.tightness[k]));
    cell_static.push_back(cell_error[k]);
  }
  std::vector<bool> seen(t.groups, false);
  for (int32_t group : t.group_of) {
    distinct += seen[group] ? 0 : 1;
    seen[group] = true;
  }
}

}  // namespace mgral::core
