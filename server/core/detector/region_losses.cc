#include "server/core/detector/region_losses.h"

#include <ATen/ATen.h>

#include "server/core/detector/losses.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

constexpr double kSmoothL1Beta = 1.0 / 9;  // torchvision's

// Of the second stage's deltas.
at::Tensor DeltaWeights(const at::Tensor& like) {
  return at::tensor({10.0, 10.0, 5.0, 5.0}, like.options());
}

}  // namespace

at::Tensor RegionBoxes(const at::Tensor& deltas, const at::Tensor& regions) {
  const at::Tensor each = deltas.reshape({deltas.size(0), -1, 4});
  return DecodeBoxes(each / DeltaWeights(each), regions.unsqueeze(1));
}

at::Tensor AnchorLoss(const at::Tensor& logits, const at::Tensor& deltas, const Targets& targets) {
  const at::Tensor objectness =
      (at::binary_cross_entropy_with_logits(logits, targets.classes, {}, {}, at::Reduction::None) *
       targets.weights)
          .sum();
  const at::Tensor said = deltas.reshape({-1, 4}).index_select(0, targets.positives);
  const at::Tensor wanted = EncodeBoxes(targets.boxes, targets.box_anchors);
  return (objectness + SmoothL1Loss(said, wanted, kSmoothL1Beta).sum()) /
         targets.weights.sum().clamp_min(1);
}

RegionLosses ComputeRegionLosses(const at::Tensor& logits, const at::Tensor& deltas,
                                 const LabeledProposals& regions) {
  const at::Device device = logits.device();
  const at::Tensor labels = regions.labels.to(device);
  RegionLosses losses;
  losses.classes = at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
  losses.rows = labels.nonzero().squeeze(1);
  const at::Tensor wanted = EncodeBoxes(regions.objects.to(device).index_select(0, losses.rows),
                                        regions.boxes.to(device).index_select(0, losses.rows));
  const at::Tensor said = deltas.reshape({labels.size(0), -1, 4})
                              .index({losses.rows, labels.index_select(0, losses.rows)});
  losses.boxes = SmoothL1Loss(said, wanted * DeltaWeights(said), kSmoothL1Beta).sum(1);
  return losses;
}

}  // namespace mgral::core
