#include "server/core/detector/sample.h"

#include <ATen/ATen.h>

#include <numeric>
#include <stdexcept>
#include <utility>

#include "server/core/random.h"

namespace mgral::core {

Sample CheckedSample(Sample sample, int num_classes, const std::string& what) {
  const auto fail = [&](const std::string& why) { throw std::invalid_argument(what + ": " + why); };
  const at::Tensor& image = sample.image;
  if (!image.defined() || image.scalar_type() != at::kByte || image.dim() != 3 ||
      image.size(0) != 3 || image.size(1) < 1 || image.size(2) < 1) {
    fail("image must be uint8 [3, H, W] with at least one pixel");
  }
  if (!sample.boxes.defined()) sample.boxes = at::zeros({0, 4});
  if (sample.boxes.dim() != 2 || sample.boxes.size(1) != 4) fail("boxes must be [n, 4]");
  const int64_t n = sample.boxes.size(0);
  if (!sample.labels.defined()) sample.labels = at::zeros({0}, at::kLong);
  if (!sample.ignore.defined()) sample.ignore = at::zeros({n}, at::kBool);
  if (sample.labels.dim() != 1 || sample.labels.size(0) != n) fail("labels must be [n]");
  if (sample.ignore.dim() != 1 || sample.ignore.size(0) != n) fail("ignore must be [n]");
  sample.boxes = sample.boxes.to(at::kFloat).contiguous();
  sample.labels = sample.labels.to(at::kLong).contiguous();
  sample.ignore = sample.ignore.to(at::kBool).contiguous();
  if (n == 0) return sample;
  if (!sample.boxes.isfinite().all().item<bool>()) fail("a box coordinate is not finite");
  if (sample.labels.min().item<int64_t>() < 0 ||
      sample.labels.max().item<int64_t>() >= num_classes) {
    fail("a label is not in [0, " + std::to_string(num_classes) + ")");
  }
  const at::Tensor size = sample.boxes.slice(1, 2, 4) - sample.boxes.slice(1, 0, 2);
  const at::Tensor keep = (size > 0).all(1).nonzero().squeeze(1);
  if (keep.size(0) == n) return sample;
  sample.boxes = sample.boxes.index_select(0, keep);
  sample.labels = sample.labels.index_select(0, keep);
  sample.ignore = sample.ignore.index_select(0, keep);
  return sample;
}

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
