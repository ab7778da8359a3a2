#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// One embedding pass over a set of images. Plain data.
struct ImageSignals {
  int64_t images = 0;                   // N
  int64_t classes = 0;                  // C
  int64_t dim = 0;                      // d
  std::vector<float> embeddings;        // [N, d]
  std::vector<float> expected_objects;  // [N, C], >= 0
  std::vector<float> uncertainty;       // [N, C], >= 0; the table does not read it
  std::vector<float> disagreement;      // [N]; nor this
};

// The pool that a table is made for. Plain data.
struct TableInput {
  ImageSignals candidates;                // N images; N may be 0
  Clustering clustering;                  // cells, and where the candidates lie in them
  std::vector<float> labeled_embeddings;  // [m, candidates.dim]
  std::vector<float> labeled_objects;     // [m, C] true objects in each labeled image
  std::vector<double> class_ap;           // [C] in [0, 1] on V; 0 or NaN: unknown
  std::vector<double> missed_share;       // [C] in [0, 1] of the expected objects; empty: all
};

// Throws std::invalid_argument naming the field of `input` that is wrong.
void CheckInput(const TableInput& input);

// ReachOf the labeled images [m, K].
std::vector<float> LabeledReach(const TableInput& input);

// The table of the pool with the prior's weights: cells, groups, labeled and missed objects,
// reach. Missed objects and reach of a group of near-duplicates are the mean of its members', so
// that the gain does not depend on which of them is taken. Throws as CheckInput.
LookupTable DescribePool(const TableInput& input);

}  // namespace mgral::core
