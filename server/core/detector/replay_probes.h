#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "server/core/detector/readout.h"
#include "server/core/lookup/replay.h"
#include "server/core/progress.h"

namespace mgral::core {

// What labels are worth, measured on images that have them (docs/method.md, "Probe"). A base is a
// part of the labeled images; a probe fits a readout to the base and a batch of the rest, and reads
// it on all labeled images that are in neither, and on the validation images.

// Time for a base. Probes are begun in fours until it is over, but at least `fewest`.
struct ReplayTime {
  double seconds = 0;              // 0: no limit
  std::function<double()> passed;  // seconds, since the work on the base began
  int64_t fewest = 0;
};

// The base with that number, and its probes: half to four fifths of the labeled images with their
// share of every class; the batches are composed to contrast: of images drawn at random, of those
// with most or fewest objects, of one class, alike. Everything follows from the arguments, so that
// the bases can be measured side by side; a limit of time leaves out the last probes. Throws
// std::invalid_argument for fewer than kFewestReplayed images, Canceled.
ReplayBase RunReplayBase(const std::vector<ReadoutImage>& labeled,
                         const std::vector<ReadoutImage>& validation, int64_t classes, int64_t base,
                         int64_t probes, uint64_t seed, const ProgressFn& progress = {},
                         const ReplayTime& time = {});

}  // namespace mgral::core
