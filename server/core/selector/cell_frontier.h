#pragma once

#include <cstdint>
#include <vector>

#include "server/core/lookup/batch_state.h"

namespace mgral::core {

// The images of each cell, best first: by what their missed objects are worth to first order,
// and their coverage, less their price, so that comparing the first of each cell finds a good image
// without looking at all of them. Refers to the table. Not thread-safe.
class CellFrontier {
 public:
  explicit CellFrontier(const LookupTable& table);

  // Sorts every cell by the gain as its slopes and coverage are now; what is taken (or whose
  // near-duplicate is) is dropped. O(N (C + K) + N log N).
  void Refresh(const BatchState& state);
  // Up to `most` images of the cell that would still add something, best first.
  void First(int64_t cell, int64_t most, const BatchState& state, std::vector<int64_t>* out);
  // The best one, or -1.
  int64_t Front(int64_t cell, const BatchState& state);
  // Share of the cell's images that are still listed.
  double Left(int64_t cell) const;

 private:
  bool Open(int64_t image, const BatchState& state) const;

  const LookupTable* table_;
  std::vector<std::vector<int32_t>> order_;  // [K]
  std::vector<size_t> begin_;                // [K] first that may be open
  std::vector<double> size_;                 // [K]
};

// How many additions a frontier's order is trusted for: refreshing must not cost more than the
// rest.
int64_t RefreshInterval(int64_t images, int64_t additions);

}  // namespace mgral::core
