#include "server/core/detector/minibatches.h"

#include <numeric>
#include <string>
#include <utility>

#include "server/core/detector/random.h"

namespace mgral::core {

Minibatches::Minibatches(SampleSource& samples, int num_classes, uint64_t seed, uint64_t stream)
    : samples_(samples), num_classes_(num_classes), seed_(seed), stream_(stream) {}

std::vector<Sample> Minibatches::Get(int64_t first, int64_t count) {
  std::vector<Sample> batch;
  const int64_t size = samples_.size();
  for (int64_t position = first; position < first + count; ++position) {
    if (position / size != epoch_) {
      epoch_ = position / size;
      order_.resize(size);
      std::iota(order_.begin(), order_.end(), 0);
      std::mt19937_64 random = RandomAt(seed_, stream_, epoch_, 0);
      for (int64_t i = size - 1; i > 0; --i) std::swap(order_[i], order_[random() % (i + 1)]);
    }
    const int64_t index = order_[position % size];
    batch.push_back(
        CheckedSample(samples_.Get(index), num_classes_, "sample " + std::to_string(index)));
  }
  return batch;
}

}  // namespace mgral::core
