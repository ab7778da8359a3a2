#pragma once

#include <vector>

#include "server/core/lookup/plan_probes.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// A batch of an earlier cycle whose labels have come in: what it really did to AP.
struct RealizedBatch {
  ImageSet images;                 // as the snapshot saw them that handed them out
  std::vector<double> class_gain;  // [C] change of AP@.5; NaN: unknown
};

// Everything that a cycle has measured.
struct ProbeEvidence {
  CycleImages images;
  ProbePlan plan;
  std::vector<std::vector<double>> class_ap50;  // [probes][C] after each probe; NaN: unknown
  std::vector<RealizedBatch> realized;
};

// docs/method.md, "Look-up table". One observation per probe that has a control (AP with the batch
// minus AP without) and one per realized batch, then FitTable. Throws std::invalid_argument naming
// what does not fit together.
LookupTable FitTableFromProbes(const ProbeEvidence& evidence);

}  // namespace mgral::core
