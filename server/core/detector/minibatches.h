#pragma once

#include <cstdint>
#include <vector>

#include "server/core/detector/sample.h"

namespace mgral::core {

// Which samples a step sees: the set in a new random order every epoch, drawn from (seed, stream)
// alone; any step can be asked for.
class Minibatches {
 public:
  Minibatches(SampleSource& samples, int num_classes, uint64_t seed, uint64_t stream);

  // `count` samples starting at position `first` of the endless sequence, checked.
  std::vector<Sample> Get(int64_t first, int64_t count);

 private:
  SampleSource& samples_;
  int num_classes_;
  uint64_t seed_, stream_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;
};

}  // namespace mgral::core
