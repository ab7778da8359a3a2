#pragma once

#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"
#include "server/core/detector/sample.h"
#include "server/core/progress.h"

namespace mgral::core {

struct ProbeOutcome {
  std::vector<double> class_ap50;  // [C], NaN without ground truth
  std::vector<double> class_loss;  // [C], see ValidationLoss
  double seconds = 0;
};

// A probe of the heads, beside which readouts (replay_probes.h) can be judged; no cycle makes one.
// Fine-tunes a copy of `start` and measures it on `validation`. Kinds:
//   both batches null                 control: `labeled` alone
//   `unlabeled_batch` (no boxes used) semi-supervised: L_supervised(labeled) +
//                                     w(t) L_consistency(batch and its mirror image)
//   `labeled_batch`                   replay: half of each minibatch comes from it; the control
//                                     draws that half from `labeled`
// All kinds of one seed draw the same minibatches from `labeled` and augment them alike: subtract
// the control from the other. The same seed gives the same outcome. `labeled` must have images;
// an empty batch is none. Throws std::invalid_argument if both batches are given.
ProbeOutcome RunProbe(const Detector& start, SampleSource& labeled, SampleSource* unlabeled_batch,
                      SampleSource* labeled_batch, SampleSource& validation,
                      const ProbeConfig& config, const ProgressFn& progress = {},
                      FeatureCache* cache = nullptr);

}  // namespace mgral::core
