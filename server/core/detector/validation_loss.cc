#include "server/core/detector/validation_loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "server/core/detector/augment.h"
#include "server/core/detector/losses.h"
#include "server/core/detector/sharded_net.h"
#include "server/core/detector/targets.h"

namespace mgral::core {
namespace {

constexpr int64_t kBatch = 16;

}  // namespace

std::vector<double> ValidationLoss(const Detector& detector, SampleSource& samples,
                                   const TrainConfig& config) {
  at::NoGradGuard no_grad;
  const DetectorConfig& shape = detector.config();
  const int64_t size = samples.size();
  Workers workers(std::min(size, kBatch));
  at::Tensor loss = at::zeros({shape.num_classes}, at::kDouble);
  at::Tensor objects = at::zeros({shape.num_classes}, at::kDouble);
  for (int64_t first = 0; first < size; first += kBatch) {
    std::vector<Sample> part;
    for (int64_t i = first; i < std::min(size, first + kBatch); ++i) {
      part.push_back(
          CheckedSample(samples.Get(i), shape.num_classes, "sample " + std::to_string(i)));
    }
    const Minibatch batch = PlainBatch(part, shape.input_size, workers);
    const at::Tensor anchors = detector.net().Anchors(batch.images.size(2), batch.images.size(3));
    const Targets targets =
        AssignTargets(batch.labels, anchors, shape.num_classes, config).To(detector.device());
    const RawOutput output = ForwardInParallel(detector.net(), batch.images, workers);
    loss += (FocalLoss(output.logits, targets.classes, config.focal_alpha, config.focal_gamma) *
             targets.weights)
                .sum(at::IntArrayRef{0, 1})
                .cpu();
    const at::Tensor boxes =
        (PositiveBoxLoss(output.deltas, targets, config) * config.box_loss_weight).cpu();
    const at::Tensor labels = targets.box_labels.cpu();  // added up in one order: on the CPU
    loss.index_add_(0, labels, boxes.to(at::kDouble));
    objects.index_add_(0, labels, at::ones_like(boxes, at::kDouble));
  }
  loss /= objects.clamp_min(1);
  return {loss.data_ptr<double>(), loss.data_ptr<double>() + loss.numel()};
}

}  // namespace mgral::core
