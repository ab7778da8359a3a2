#pragma once

#include <optional>
#include <vector>

#include "server/cycle/records.h"
#include "server/domain/cycle_store.h"

namespace mgral::cycle {

// AP@.5 per class of the cycle's model minus the previous one's (equation 29); NaN if unknown.
std::vector<double> ClassGains(const TrainedCycle& trained);

// What the batches labeled since the previous snapshot brought, and what was predicted. The change
// of AP between two models is all that can be measured: it is shared out over the images that were
// labeled in between, each the same share. Batches of which this cycle did not train on every
// labeled image wait for the next one.
struct RealizedShare {
  std::vector<domain::CycleStore::RealizedGain> batches;
  double predicted = 0, predicted_standard_error = 0;  // sum over those with an estimate
  std::optional<double> realized;                      // change of mAP@.5
};
RealizedShare ShareRealizedGain(const TrainedCycle& trained,
                                const std::vector<domain::Batch>& batches,
                                const std::vector<domain::Example>& training,
                                const std::vector<domain::Example>& previously_training);

}  // namespace mgral::cycle
