#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/network.h"
#include "server/core/detector/targets.h"

namespace mgral::core {

// All losses are differentiable in their first arguments, take float or double and are finite for
// finite input. Thread-safe. The arguments of one call are on one device, where the result is too.

// Focal loss (equation 2 of docs/method.md), per output: same shape as logits. targets in {0, 1}.
at::Tensor FocalLoss(const at::Tensor& logits, const at::Tensor& targets, double alpha,
                     double gamma);

// Smooth L1 (Girshick 2015), per number: 0.5 d^2 / beta below beta, |d| - beta / 2 above.
at::Tensor SmoothL1Loss(const at::Tensor& values, const at::Tensor& targets, double beta);

// 1 - GIoU per row, [n], in [0, 2].
at::Tensor GiouLoss(const at::Tensor& boxes, const at::Tensor& targets);

// L_sup (equation 1) of part of a minibatch, divided by `positives`: the count of positive anchors
// in all of it (at least 1).
struct SupervisedLoss {
  at::Tensor classes, boxes;  // scalars
};
SupervisedLoss ComputeSupervisedLoss(const RawOutput& output, const Targets& targets,
                                     double positives, const TrainConfig& config);

}  // namespace mgral::core
