#ifndef MGRAL_SERVER_CORE_LOOKUP_PLAN_PROBES_H_
#define MGRAL_SERVER_CORE_LOOKUP_PLAN_PROBES_H_

#include <cstdint>
#include <vector>

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"

namespace mgral::core {

// `probes` candidate batches of min(batch_size, N) distinct image indices that between them cover
// every cell in different amounts: a third concentrated on one or two cells (each cell has its
// turn), a third spread evenly over a random half of the cells, a third at random. Same seed,
// same plan. No images: no batches. Throws std::invalid_argument on negative numbers.
std::vector<std::vector<int64_t>> PlanProbes(const Cells& cells, const CellAssignment& assignment,
                                             int64_t probes, int64_t batch_size, uint64_t seed);

// Replay: `probes` batches out of the images that are held back, in contrast to each other: for
// each feature in turn one from the upper and one from the lower half (summed over classes), and
// every fourth one at random. `batch_size` is limited to half of the images.
std::vector<std::vector<int64_t>> PlanReplay(const ImageFeatures& held_back, int64_t probes,
                                             int64_t batch_size, uint64_t seed);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_PLAN_PROBES_H_
