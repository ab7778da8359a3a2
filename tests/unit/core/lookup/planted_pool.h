#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/replay.h"
#include "server/core/random.h"

namespace mgral::core {

// A pool of Gaussian clusters that differ in what they show, with labeled images beside the
// candidates, and probes whose truth is known.
struct PlantedPool {
  TableInput input;
  std::vector<int32_t> labeled_cell;

  PlantedPool(int64_t images, int64_t classes, int64_t cells, uint64_t seed, int64_t labeled = 60) {
    RandomStream random(seed);
    const int64_t dim = 8;
    ImageSignals& signals = input.candidates;
    signals.images = images;
    signals.classes = classes;
    signals.dim = dim;
    std::vector<double> center(cells * dim), level(cells * classes);
    for (double& value : center) value = 4 * random.Normal();
    for (double& value : level) value = std::exp(random.Normal());
    const auto draw = [&](int64_t image, std::vector<float>* embeddings,
                          std::vector<float>* objects) {
      const int64_t cell = image % cells;
      for (int64_t j = 0; j < dim; ++j) {
        embeddings->push_back(static_cast<float>(center[cell * dim + j] + random.Normal()));
      }
      for (int64_t c = 0; c < classes; ++c) {
        const double most = 3 * level[cell * classes + c] / static_cast<double>(1 + c);
        objects->push_back(static_cast<float>(std::floor(most * random.Uniform())));
      }
    };
    for (int64_t i = 0; i < images; ++i) {
      draw(i, &signals.embeddings, &signals.expected_objects);
    }
    for (int64_t i = 0; i < labeled; ++i) {
      draw(i, &input.labeled_embeddings, &input.labeled_objects);
    }
    input.clustering = ClusterCells(signals.embeddings, images, dim, cells, 1);
    input.class_ap.assign(classes, 0.5);
    labeled_cell = AssignCells(input.clustering.cells, input.labeled_embeddings, labeled).cell;
  }

  // Probes of `bases` random bases of two thirds of the labeled images, `batches` batches each of
  // 4 to 12 of the rest, every second one from few cells: response = features . weights [F] + an
  // offset of the base + noise.
  std::vector<ReplayProbe> Probes(int bases, int batches, const std::vector<double>& weights,
                                  double noise, uint64_t seed) const {
    RandomStream random(seed);
    const int64_t classes = input.candidates.classes, cells = input.clustering.cells.count;
    const std::vector<double> share = DescribePool(input).cell_share;
    const std::vector<float> reach = LabeledReach(input);
    const auto content = [&](const std::vector<int64_t>& which) {
      return ContentOf(input.labeled_objects, reach, which, cells, classes);
    };
    std::vector<int64_t> order(labeled_cell.size());
    std::iota(order.begin(), order.end(), 0);
    const int64_t size = static_cast<int64_t>(order.size()) * 2 / 3;
    std::vector<ReplayProbe> out;
    for (int base = 0; base < bases; ++base) {
      random.Shuffle(&order);
      const SetContent known = content({order.begin(), order.begin() + size});
      std::vector<int64_t> rest(order.begin() + size, order.end());
      std::vector<double> offset(classes);
      for (double& value : offset) value = 0.05 * random.Normal();
      for (int batch = 0; batch < batches; ++batch) {
        random.Shuffle(&rest);
        if (batch % 2 == 1) {  // concentrated on few cells
          const int32_t first = labeled_cell[rest[0]];
          std::stable_sort(rest.begin(), rest.end(), [&](int64_t a, int64_t b) {
            return (labeled_cell[a] + cells - first) % cells <
                   (labeled_cell[b] + cells - first) % cells;
          });
        }
        ReplayProbe probe;
        probe.base = base;
        probe.features = BatchFeatures(
            known, content({rest.begin(), rest.begin() + 4 + random.Below(9)}), share);
        for (int64_t c = 0; c < classes; ++c) {
          double response = offset[c];
          for (int f = 0; f < kNumFeatures; ++f) {
            response += weights[f] * probe.features[c * kNumFeatures + f];
          }
          const double halves[2] = {response + noise * std::sqrt(2) * random.Normal(),
                                    response + noise * std::sqrt(2) * random.Normal()};
          probe.half_response[0].push_back(halves[0]);
          probe.half_response[1].push_back(halves[1]);
          probe.response.push_back((halves[0] + halves[1]) / 2);
          probe.held_positives.push_back(100);
        }
        out.push_back(probe);
      }
    }
    return out;
  }
};

}  // namespace mgral::core
