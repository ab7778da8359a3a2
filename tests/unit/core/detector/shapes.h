#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "server/core/detector/sample.h"

namespace mgral::core::testing_support {

// Red squares (class 0) and green discs (class 1) on gray noise, two to four per image, apart.
class Shapes : public SampleSource {
 public:
  Shapes(int64_t count, int64_t size, uint64_t seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    for (int64_t i = 0; i < count; ++i) samples_.push_back(Draw(size, random));
  }
  explicit Shapes(std::vector<Sample> samples) : samples_(std::move(samples)) {}

  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  Sample Get(int64_t index) override { return samples_[index]; }
  std::vector<Sample>& samples() { return samples_; }

 private:
  static Sample Draw(int64_t size, std::mt19937& random) {
    Sample s;
    s.image = at::empty({3, size, size}, at::kByte);
    uint8_t* pixels = s.image.data_ptr<uint8_t>();
    for (int64_t i = 0; i < s.image.numel(); ++i) pixels[i] = 100 + random() % 30;
    std::vector<float> boxes;
    std::vector<int64_t> labels;
    for (int64_t quarter = 0; quarter < 4; ++quarter) {  // at most one object per quarter
      if (quarter > 1 && random() % 2 == 0) continue;
      const int64_t half = size / 2, side = half / 3 + random() % (half / 3);
      const int64_t x = quarter % 2 * half + random() % (half - side);
      const int64_t y = quarter / 2 * half + random() % (half - side);
      const int64_t label = random() % 2;
      for (int64_t dy = 0; dy < side; ++dy) {
        for (int64_t dx = 0; dx < side; ++dx) {
          const int64_t u = 2 * dx - side + 1, v = 2 * dy - side + 1;
          if (label == 1 && u * u + v * v > side * side) continue;
          for (int64_t c = 0; c < 3; ++c) {
            pixels[(c * size + y + dy) * size + x + dx] = c == label ? 230 : 20;
          }
        }
      }
      for (int64_t v : {x, y, x + side, y + side}) boxes.push_back(static_cast<float>(v));
      labels.push_back(label);
    }
    const int64_t n = static_cast<int64_t>(labels.size());
    s.boxes = at::tensor(boxes).view({n, 4});
    s.labels = at::tensor(labels, at::kLong);
    s.ignore = at::zeros({n}, at::kBool);
    return s;
  }

  std::vector<Sample> samples_;
};

}  // namespace mgral::core::testing_support
