#pragma once

#include <ATen/core/Tensor.h>

#include "server/core/detector/proposals.h"
#include "server/core/detector/targets.h"

namespace mgral::core {

// Faster R-CNN's losses (Ren et al. 2015, equation 1, with smooth L1 as torchvision's).

// Of the second stage's deltas [n, 4 K] for regions [n, 4]: boxes [n, K, 4].
at::Tensor RegionBoxes(const at::Tensor& deltas, const at::Tensor& regions);

// Of the first stage: the mean over the sampled anchors. logits: [B, A, 1], deltas: [B, A, 4].
at::Tensor AnchorLoss(const at::Tensor& logits, const at::Tensor& deltas, const Targets& targets);

// Of the second stage, per region: cross-entropy [n], and of those that are objects their boxes'
// [P]; `rows` says which they are. Regions are brought to the logits' device.
struct RegionLosses {
  at::Tensor classes, boxes, rows;
};
RegionLosses ComputeRegionLosses(const at::Tensor& logits, const at::Tensor& deltas,
                                 const LabeledProposals& regions);

}  // namespace mgral::core
