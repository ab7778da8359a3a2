#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/observation.h"

namespace mgral::core {

// Everything a table is fitted from. Plain data.
struct TableInput {
  ImageSignals candidates;                // N images; N may be 0
  Clustering clustering;                  // ClusterCells over candidates.embeddings
  std::vector<double> labeled_objects;    // [C] objects of each class among the labels
  int64_t labeled_images = 0;             // with the APs it sets the size of the prior
  std::vector<double> class_ap;           // [C] in [0, 1], of the current detector on V
  std::vector<Observation> observations;  // of any kind, in the cells of `clustering`
};

// Throws std::invalid_argument naming the field of `input` that is wrong.
void CheckInput(const TableInput& input);

}  // namespace mgral::core
