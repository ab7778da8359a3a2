#pragma once

#include <vector>

#include "server/cycle/stages.h"

namespace mgral::cycle {

// AP@.5 per class of the cycle's model minus the previous one's (equation 29); NaN if unknown.
std::vector<double> ClassGains(const TrainedCycle& trained);

// What the batches labelled since the previous snapshot brought, and what was predicted. The change
// of AP between two models is all that can be measured: it is shared out over the images that were
// labelled in between, each the same share. Batches of which this cycle did not train on every
// labelled image wait for the next one.
struct RealisedShare {
  std::vector<domain::CycleStore::RealisedGain> batches;
  double predicted = 0, predicted_standard_error = 0;  // sum over those with an estimate
  std::optional<double> realised;                      // change of mAP@.5
};
RealisedShare ShareRealisedGain(const TrainedCycle& trained,
                                const std::vector<domain::Batch>& batches,
                                const std::vector<domain::Example>& training,
                                const std::vector<domain::Example>& previously_training);

}  // namespace mgral::cycle
