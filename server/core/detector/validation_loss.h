#pragma once

#include <cstdint>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/sample.h"

namespace mgral::core {

// Per class [C]: focal loss of the class's outputs plus box loss of its objects, divided by the
// number of its positive anchors (at least 1). Smoother than AP on a small set. `config` supplies
// the losses and the matching; nothing is augmented.
std::vector<double> ValidationLoss(const Detector& detector, SampleSource& samples,
                                   const TrainConfig& config);

}  // namespace mgral::core
