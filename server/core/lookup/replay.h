#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "server/core/lookup/regression.h"
#include "server/core/lookup/table_input.h"

// What replay probes measured (docs/method.md, "Probe"), from the detector to the table. Images are
// positions among the labeled ones. Plain data.
namespace mgral::core {

// Fewer labeled images are not replayed.
inline constexpr int64_t kFewestReplayed = 8;

struct ReplayedBatch {
  std::vector<int64_t> images;
  // [C] the fall of the log of the held-out loss; NaN: no object is held out.
  std::vector<double> response;
  // The same on either half of the held-out images: how well the response repeats.
  std::array<std::vector<double>, 2> half_response;
  std::vector<double> held_positives;  // [C] objects of the held-out images
  // [C] objects of the batch that the base's readout misses, each counting 1 less its best score,
  // within [0, 1]; empty: all of them.
  std::vector<double> missed;
};

struct ReplayBase {
  std::vector<int64_t> images;
  std::vector<ReplayedBatch> batches;
};

// How many probes each base has: `probes` in all, over up to six bases, of at least eight each if
// there are as many. A base costs as much as several probes, and what it leaves out is what its
// probes are read on.
std::vector<int> PlanReplay(int probes);

// The features [C, F] of the labels of `batch` beside those of `base`, where a detector of the base
// misses `missed` objects [C] of the batch, `pool` is DescribePool(input), and `labeled_reach` is
// LabeledReach(input). Throws std::invalid_argument for an image that is not there.
std::vector<double> LabelFeatures(const TableInput& input, const LookupTable& pool,
                                  const std::vector<float>& labeled_reach,
                                  const std::vector<int64_t>& base,
                                  const std::vector<int64_t>& batch,
                                  const std::vector<double>& missed);

// The share of each class's objects [C] that the probes' bases miss, for TableInput::missed_share;
// 1 without probes. Throws std::invalid_argument for a bad input, or batches that are not of it.
std::vector<double> MissedShare(const TableInput& input, const std::vector<ReplayBase>& bases);

// One row per batch, for FitTable.
std::vector<ReplayProbe> ReplayRows(const TableInput& input, const LookupTable& pool,
                                    const std::vector<float>& labeled_reach,
                                    const std::vector<ReplayBase>& bases);

}  // namespace mgral::core
