#pragma once

#include <algorithm>
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

inline HandTable MakeHandTable(int64_t images, int64_t cells, int64_t classes, uint64_t seed) {
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
  std::vector<double> level;
  for (int64_t kc = 0; kc < cells * classes; ++kc) {
    level.push_back(random.Uniform());
    table.cell_share.push_back(1.0 / static_cast<double>(cells));
  }
  for (int64_t c = 0; c < classes; ++c) {
    table.labeled.push_back(static_cast<double>(cells) * random.Uniform());
  }
  for (int64_t k = 0; k < cells; ++k) {
    table.covered.push_back(static_cast<float>(0.6 * random.Uniform()));
  }
  for (int64_t i = 0; i < images; ++i) {
    table.cell_of.push_back(static_cast<int32_t>(i % cells));
    table.group_of.push_back(static_cast<int32_t>(i));
    for (int64_t c = 0; c < classes; ++c) {
      table.missed.push_back(
          static_cast<float>(4 * level[(i % cells) * classes + c] * random.Uniform()));
    }
    for (int64_t j = 0; j < dim; ++j) {
      out.embeddings.push_back(
          static_cast<float>(table.cells.centroids[(i % cells) * dim + j] + 0.3 * random.Normal()));
    }
    for (int64_t k = 0; k < cells; ++k) {
      table.reach.push_back(static_cast<float>((k == i % cells ? 0.9 : 0.3) * random.Uniform()));
    }
  }
  table.groups = static_cast<int32_t>(images);
  for (int64_t c = 0; c < classes; ++c) table.class_ap.push_back(0.3 + 0.4 * random.Uniform());
  SetPrior(&table);
  CheckTable(table);
  return out;
}

inline double GainOf(const LookupTable& table, const std::vector<int64_t>& batch) {
  BatchState state(table);
  for (int64_t image : batch) state.Add(image);
  return state.Gain();
}

// The largest gain of any batch of `size`, by looking at all of them.
inline double ExactOptimum(const LookupTable& table, int64_t size) {
  double best = 0;
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

}  // namespace mgral::core
