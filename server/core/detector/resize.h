#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "server/core/detector/config.h"

namespace mgral::core {

// Canvas pixels per image pixel.
struct Scale {
  double x = 1, y = 1;
};
at::Tensor ScaleBoxes(const at::Tensor& boxes, const Scale& scale);

struct Size {
  int64_t height, width;
};

// What an image is scaled by to fit, times `factor`.
Scale ScaleOf(const Size& image, const DetectorConfig& shape, double factor);
// The size of an image that fits, and its scale, which for kShortestSide is what whole pixels make
// of it.
Size Fit(const Size& image, const DetectorConfig& shape, Scale* scale);

// Smallest multiple of 32 that is at least `pixels`.
inline int64_t RoundUp32(int64_t pixels) { return (pixels + 31) / 32 * 32; }

// The side of a canvas that holds so many pixels: SSD300 takes 300 as they are.
int64_t CanvasSide(int64_t pixels, const DetectorConfig& shape);

// Float [3, h, w] of uint8 or float [3, H, W]: bilinear, for kLongestSide with antialiasing where
// it shrinks.
at::Tensor Resize(const at::Tensor& image, int64_t height, int64_t width, Resizing resizing);

}  // namespace mgral::core
