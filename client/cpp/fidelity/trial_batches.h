// The batches that a table is tested with. Plain functions of the dataset and the seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/lib/dataset.h"

namespace mgral::client {

// How a batch comes about: all but kSelected by the true labels, which the table never sees.
enum class BatchKind {
  kRandom,
  kSelected,  // by one of the server's strategies
  kCrowded,   // images with many boxes
  kEmpty,     // with few, or none
  kOneClass,  // whose boxes are mostly of one class
  kRare,      // with boxes of the classes that have the fewest labels
  kAlike,     // next to each other in the order of their names, as frames of a film are
};
inline constexpr BatchKind kBatchKinds[] = {
    BatchKind::kRandom,   BatchKind::kSelected, BatchKind::kCrowded, BatchKind::kEmpty,
    BatchKind::kOneClass, BatchKind::kRare,     BatchKind::kAlike};
const char* NameOf(BatchKind kind);

struct TrialPlan {
  BatchKind kind = BatchKind::kRandom;
  int size = 0;    // images
  int number = 0;  // among those of its kind, from 0
};

// Kinds take turns, a quarter kSelected. Sizes cover [smallest, largest] evenly by their
// logarithms, independent of the kind.
std::vector<TrialPlan> PlanTrials(int count, int smallest, int largest, uint64_t seed);

// Positions in Dataset::images.
struct ComposedBatch {
  std::vector<int> images;
  std::string of;  // kOneClass: the class
};

// Draws the batch of a plan, other than kSelected, from `unlabeled`, which must hold at least
// plan.size images. Where too few images are of the kind, others fill it up. Another `attempt` is
// another draw.
ComposedBatch Compose(const Dataset& dataset, const std::vector<int>& labeled,
                      const std::vector<int>& unlabeled, const TrialPlan& plan, uint64_t seed,
                      int attempt);

}  // namespace mgral::client
