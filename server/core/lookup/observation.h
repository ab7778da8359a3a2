#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// kSemiSupervised: AP with the unlabeled batch minus the control's (equation 7). It is the feature
// kResponse and nothing else: by itself it does not predict the gain from labels.
// kReplay: AP with the batch's true labels minus AP without. The truth, measured.
// kRealized: AP after minus AP before a batch that was labeled in an earlier cycle. The truth,
// with whatever else changed between two cycles; an intercept takes that up.
enum class ObservationKind : uint8_t { kSemiSupervised = 0, kReplay = 1, kRealized = 2 };

// One measured batch, in the cells of the table that is being fitted. Plain data.
struct Observation {
  ObservationKind kind = ObservationKind::kSemiSupervised;
  // Observations with the same id (>= 0) are repeats of one batch with other seeds: they are left
  // out together, and give the test-retest ceiling. -1: a batch of its own.
  int64_t batch_id = -1;
  std::vector<double> cell_counts;    // [K] images of the batch per cell, near-duplicates once
  std::vector<double> deviation_sum;  // [C, kNumImageFeatures] sum of (feature - cell mean), raw
  // Cell means of the set that the batch came from, [K, C, kNumImageFeatures], raw; empty: the
  // candidates' own. Needed for batches from replay or from an earlier snapshot.
  std::vector<double> cell_features;
  std::vector<double> response;  // [C] change of AP
  std::vector<double> variance;  // [C] of `response`, e.g. from repeats; empty or 0: unknown;
                                 // infinity: the class could not be measured
  std::vector<double> base_ap;   // [C] AP before the batch; empty: the table's class_ap
};

// Describes `batch` (indices into the set of images that `features` and `assignment` describe:
// the candidates for kSemiSupervised, the newly labeled images for kReplay, the earlier candidates,
// embedded anew, for kRealized). `same_set` says that the set is the table's own candidates, so
// that the cell means need not be carried. Throws std::invalid_argument naming the input.
Observation Observe(ObservationKind kind, const Cells& cells, const CellAssignment& assignment,
                    const ImageFeatures& features, const std::vector<int64_t>& batch,
                    std::vector<double> response, bool same_set);

// Mean raw feature per cell [K, C, kNumImageFeatures]; cells without an image have the mean of
// the set.
std::vector<double> CellMeanFeatures(const Cells& cells, const CellAssignment& assignment,
                                     const ImageFeatures& features);

}  // namespace mgral::core
