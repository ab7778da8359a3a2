#ifndef MGRAL_SERVER_CORE_LOOKUP_FIT_TABLE_H_
#define MGRAL_SERVER_CORE_LOOKUP_FIT_TABLE_H_

#include <cstdint>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/observation.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// Everything a table is fitted from. Plain data.
struct TableInput {
  ImageSignals candidates;                // N images; N may be 0
  Clustering clustering;                  // ClusterCells over candidates.embeddings
  std::vector<double> labelled_objects;   // [C] objects of each class among the labels
  int64_t labelled_images = 0;            // with the APs it sets the size of the prior
  std::vector<double> class_ap;           // [C] in [0, 1], of the current detector on V
  std::vector<Observation> observations;  // of any kind, in the cells of `clustering`
};

// Closed-form Gaussian posterior per class around the shipped prior (prior.h); noise, amplitude of
// the Gaussian process and size of the prior by marginal likelihood over a small grid; pairs of
// cells by forward selection, from kReplay and kRealised only. Weak evidence leaves the prior.
// Deterministic to the byte, single-threaded: the same input gives the same table.
// Throws std::invalid_argument naming the field for wrong sizes and values that are not finite.
LookupTable FitTable(const TableInput& input);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_FIT_TABLE_H_
