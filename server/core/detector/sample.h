#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mgral::core {

// An image with its labels.
struct Sample {
  at::Tensor image;   // uint8 [3, H, W], RGB
  at::Tensor boxes;   // float [n, 4], (x_min, y_min, x_max, y_max) in pixels of `image`
  at::Tensor labels;  // int64 [n], 0-based
  at::Tensor ignore;  // bool [n]; neither an object nor background
  // Names the pixels of `image` to a FeatureCache: the same name, the same pixels. Empty: they are
  // not kept there.
  std::string content;
};

// A set of samples. The image is best already reduced so that its longest side is about the
// detector's input_size: every access works on all its pixels. boxes, labels and ignore may be
// undefined tensors: no boxes. Get is called by one thread at a time and may throw, which ends
// the work at hand.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual int64_t size() const = 0;
  virtual Sample Get(int64_t index) = 0;
};

// Fills undefined boxes, labels and ignore with empty ones, makes everything contiguous, drops
// boxes without area. Throws std::invalid_argument for a wrong shape or type, a label outside
// [0, num_classes) or a coordinate that is not finite; `what` names the sample in the message.
Sample CheckedSample(Sample sample, int num_classes, const std::string& what);

// Independent streams of RandomAt: what each draws does not move the others.
enum DrawStream : uint64_t {
  kLabeledOrder = 1,
  kLabeledAugment,
};

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
