#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/random.h"

namespace mgral::core {

// A pool of Gaussian clusters with random expected objects, and the prior's table for it.
struct BenchTable {
  std::vector<float> embeddings;
  LookupTable table;

  BenchTable(int64_t images, int64_t cells, int64_t classes, int64_t dim = 128) {
    RandomStream random(1);
    std::vector<float> center(cells * dim);
    for (float& value : center) value = static_cast<float>(random.Normal());
    TableInput input;
    ImageSignals& signals = input.candidates;
    signals.images = images;
    signals.classes = classes;
    signals.dim = dim;
    for (int64_t i = 0; i < images; ++i) {
      const int64_t cell = random.Below(cells);
      for (int64_t j = 0; j < dim; ++j) {
        signals.embeddings.push_back(center[cell * dim + j] +
                                     static_cast<float>(0.7 * random.Normal()));
      }
      for (int64_t c = 0; c < classes; ++c) {
        signals.expected_objects.push_back(static_cast<float>(random.Uniform()));
      }
    }
    input.clustering = ClusterCells(signals.embeddings, images, dim, cells, 1);
    const int64_t labeled = images < 500 ? images : 500;
    input.labeled_embeddings.assign(signals.embeddings.begin(),
                                    signals.embeddings.begin() + labeled * dim);
    input.labeled_objects.assign(labeled * classes, 0.5f);
    input.class_ap.assign(classes, 0.5);
    table = FitTable(DescribePool(input));
    embeddings = signals.embeddings;
  }
};

}  // namespace mgral::core
