#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/table.h"
#include "server/core/random.h"

namespace mgral::core {

// A table made by hand, with embeddings around its centroids: image i lies in cell i mod K.
struct HandTable {
  LookupTable table;
  std::vector<float> embeddings;
};

inline HandTable MakeHandTable(int64_t images, int64_t cells, int64_t classes, uint64_t seed,
                               double least_gain = 0.0) {
  RandomStream random(seed);
  HandTable out;
  LookupTable& table = out.table;
  const int64_t dim = 6;
  table.images = images;
  table.classes = classes;
  table.cells.count = cells;
  table.cells.dim = dim;
  table.cells.spread = 5;
  for (int64_t i = 0; i < cells * dim; ++i) {
    table.cells.centroids.push_back(static_cast<float>(5 * random.Normal()));
  }
  table.cells.tightness.assign(cells, 0.3);
  for (int64_t k = 0; k < cells; ++k) {
    table.rho.push_back(0.2 + 0.6 * random.Uniform());
    for (int64_t c = 0; c < classes; ++c) {
      table.cell_gain.push_back(
          static_cast<float>(0.01 * (least_gain + (1 - least_gain) * random.Uniform())));
    }
  }
  for (int64_t i = 0; i < images; ++i) {
    table.cell_of.push_back(static_cast<int32_t>(i % cells));
    table.group_of.push_back(static_cast<int32_t>(i));
    for (int64_t c = 0; c < classes; ++c) {
      table.image_gain.push_back(static_cast<float>(0.002 * random.Uniform()));
    }
    for (int64_t j = 0; j < dim; ++j) {
      out.embeddings.push_back(
          static_cast<float>(table.cells.centroids[(i % cells) * dim + j] + 0.3 * random.Normal()));
    }
  }
  table.groups = static_cast<int32_t>(images);
  for (int64_t c = 0; c < classes; ++c) table.class_ap.push_back(0.3 + 0.4 * random.Uniform());
  CheckTable(table);
  return out;
}

// Cells k and l are worth nothing alone and `gain` (in AP, every class) together.
inline void PlantPair(int32_t k, int32_t l, float gain, LookupTable* table) {
  for (int64_t c = 0; c < table->classes; ++c) {
    table->cell_gain[k * table->classes + c] = 0.0f;
    table->cell_gain[l * table->classes + c] = 0.0f;
    table->pair_gain.push_back(gain);
  }
  table->pairs.push_back({k, l});
  for (int64_t i = 0; i < table->images; ++i) {
    if (table->cell_of[i] != k && table->cell_of[i] != l) continue;
    for (int64_t c = 0; c < table->classes; ++c) table->image_gain[i * table->classes + c] = 0.0f;
  }
  CheckTable(*table);
}

inline double GainOf(const LookupTable& table, const std::vector<int64_t>& batch) {
  BatchState state(table);
  for (int64_t image : batch) state.Add(image);
  return state.Gain();
}

// The largest gain of any batch of `size`, by looking at all of them.
inline double ExactOptimum(const LookupTable& table, int64_t size) {
  double best = -1e9;
  std::vector<int64_t> batch;
  const auto extend = [&](const auto& self, int64_t from) -> void {
    if (static_cast<int64_t>(batch.size()) == size) {
      best = std::max(best, GainOf(table, batch));
      return;
    }
    for (int64_t i = from; i < table.images; ++i) {
      batch.push_back(i);
      self(self, i + 1);
      batch.pop_back();
    }
  };
  extend(extend, 0);
  return best;
}

// The largest gain of any counts per cell that sum to `size`, with each cell's images taken in the
// order of their own terms: the exact optimum up to these terms, also where batches are too many.
inline double CountOptimum(const LookupTable& table, int64_t size) {
  std::vector<std::vector<int64_t>> members(table.cells.count);
  const auto own = [&](int64_t image) {
    double sum = 0;
    for (int64_t c = 0; c < table.classes; ++c) sum += table.image_gain[image * table.classes + c];
    return sum;
  };
  for (int64_t i = 0; i < table.images; ++i) members[table.cell_of[i]].push_back(i);
  for (auto& cell : members) {
    std::sort(cell.begin(), cell.end(), [&](int64_t a, int64_t b) { return own(a) > own(b); });
  }
  double best = -1e9;
  std::vector<int64_t> batch;
  const auto extend = [&](const auto& self, int64_t cell) -> void {
    const size_t before = batch.size();
    if (static_cast<int64_t>(before) == size) best = std::max(best, GainOf(table, batch));
    if (static_cast<int64_t>(before) == size || cell == table.cells.count) return;
    self(self, cell + 1);
    for (size_t j = 0; j < members[cell].size() && batch.size() < static_cast<size_t>(size); ++j) {
      batch.push_back(members[cell][j]);
      self(self, cell + 1);
    }
    batch.resize(before);
  };
  extend(extend, 0);
  return best;
}

}  // namespace mgral::core
