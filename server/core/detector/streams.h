#pragma once

#include <cstdint>

namespace mgral::core {

// Independent streams of RandomAt: what each draws does not move the others, so that a probe and
// its control see the same minibatches.
enum RandomStream : uint64_t {
  kLabeledOrder = 1,
  kLabeledAugment,
  kBatchOrder,
  kBatchAugment,
};

}  // namespace mgral::core
