#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"
#include "server/core/lookup/estimate.h"
#include "server/core/lookup/fit_table.h"
#include "server/core/lookup/observation.h"
#include "server/core/lookup/plan_probes.h"
#include "server/core/lookup/prior.h"
#include "server/core/random.h"

namespace mgral::core {

// A pool of Gaussian clusters with random signals, and a table that plays the truth.
struct PlantedPool {
  TableInput input;
  ImageFeatures features;

  PlantedPool(int64_t images, int64_t classes, int64_t cells, uint64_t seed) {
    RandomStream random(seed);
    const int64_t dim = 8;
    ImageSignals& signals = input.candidates;
    signals.images = images;
    signals.classes = classes;
    signals.dim = dim;
    std::vector<double> center(cells * dim), level(cells * classes);
    for (double& value : center) value = 4 * random.Normal();
    for (double& value : level) value = std::exp(0.7 * random.Normal());
    for (int64_t i = 0; i < images; ++i) {
      const int64_t cell = i % cells;
      for (int64_t j = 0; j < dim; ++j) {
        signals.embeddings.push_back(static_cast<float>(center[cell * dim + j] + random.Normal()));
      }
      for (int64_t c = 0; c < classes; ++c) {
        const double here = level[cell * classes + c];
        signals.expected_objects.push_back(
            static_cast<float>(here * std::exp(0.3 * random.Normal())));
        signals.uncertainty.push_back(static_cast<float>(std::exp(0.5 * random.Normal())));
      }
      signals.disagreement.push_back(static_cast<float>(random.Uniform()));
    }
    input.clustering = ClusterCells(signals.embeddings, images, dim, cells, 1);
    for (int64_t c = 0; c < classes; ++c) input.labeled_objects.push_back(10.0 + 40.0 * c);
    input.labeled_images = 60;
    input.class_ap.assign(classes, 0.5);
    features = ComputeFeatures(signals, input.labeled_objects);
  }

  // The prior's own table with other numbers: the weights of `weights` and cells that deviate.
  LookupTable Plant(const std::vector<double>& weights, double deviation, uint64_t seed) const {
    TableInput bare = input;
    bare.observations.clear();
    LookupTable table = FitTable(bare);
    RandomStream random(seed);
    const int64_t classes = table.classes;
    for (int64_t c = 0; c < classes; ++c) {
      for (int64_t k = 0; k < table.cells.count; ++k) {
        double gain = deviation * table.unit[c] * random.Normal();
        for (int f = 0; f < kNumFeatures; ++f) {
          gain += table.unit[c] * weights[f] *
                  table.cell_features[(k * classes + c) * kNumFeatures + f];
        }
        table.cell_gain[k * classes + c] = static_cast<float>(gain);
      }
      for (int64_t i = 0; i < table.images; ++i) {
        double gain = 0;
        for (int f = 0; f < kNumImageFeatures; ++f) {
          gain += weights[f] * table.deviation[(i * classes + c) * kNumImageFeatures + f];
        }
        table.image_gain[i * classes + c] = static_cast<float>(table.lambda * table.unit[c] * gain);
      }
    }
    table.factor.clear();
    table.coupling.clear();
    table.shared_factor.clear();
    return table;
  }

  // Measures a batch on the planted table, with noise of standard deviation `noise` per class.
  Observation Measure(const LookupTable& truth, const std::vector<int64_t>& batch, double noise,
                      ObservationKind kind, RandomStream* random) const {
    std::vector<double> response = EstimateGain(truth, batch).class_gain;
    for (double& value : response) value += noise * random->Normal();
    Observation out = Observe(kind, input.clustering.cells, input.clustering.assignment, features,
                              batch, std::move(response), true);
    out.variance.assign(truth.classes, noise * noise);
    return out;
  }
};

// Gains of random batches under two tables, for correlations.
struct GainPairs {
  std::vector<double> truth, estimate, error;
};

inline GainPairs CompareOnBatches(const LookupTable& truth, const LookupTable& table, int64_t size,
                                  int batches, uint64_t seed) {
  GainPairs out;
  const auto plan = PlanSemiSupervised(truth.cells, {truth.cell_of, truth.group_of, truth.groups},
                                       batches, size, seed);
  for (const auto& batch : plan) {
    const Estimate estimate = EstimateGain(table, batch);
    out.truth.push_back(EstimateGain(truth, batch).gain);
    out.estimate.push_back(estimate.gain);
    out.error.push_back(estimate.standard_error);
  }
  return out;
}

}  // namespace mgral::core
