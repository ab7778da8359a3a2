#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/sample.h"
#include "server/core/detector/workers.h"

namespace mgral::core {

// A minibatch as the network sees it. Boxes are in pixels of the canvas.
struct Minibatch {
  at::Tensor images;           // float [B, 3, h, w], normalised, channels_last
  std::vector<Sample> labels;  // boxes, labels, ignore of each image; `image` is undefined
};

// Random mirror, size, position and colours for every sample, from RandomAt(seed, stream, step,
// slot) alone: the same arguments give the same minibatch. Objects of which less than a quarter
// stays visible become `ignore`.
Minibatch AugmentedBatch(const std::vector<Sample>& samples, int input_size,
                         const TrainConfig& config, uint64_t stream, uint64_t step,
                         Workers& workers);

// Without any randomness; what validation uses.
Minibatch PlainBatch(const std::vector<Sample>& samples, int input_size, Workers& workers);

}  // namespace mgral::core
