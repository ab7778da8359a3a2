#include "server/core/detector/resize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace mgral::core {

Scale ScaleOf(const Size& image, const DetectorConfig& shape, double factor) {
  const int64_t longest = std::max(image.height, image.width);
  if (shape.resizing == Resizing::kSquare) {
    return {factor * shape.input_size / image.width, factor * shape.input_size / image.height};
  }
  double scale = factor * shape.input_size / longest;
  if (shape.resizing == Resizing::kShortestSide) {
    const int64_t shortest = std::min(image.height, image.width);
    scale = factor * std::min(static_cast<double>(shape.input_size) / shortest,
                              static_cast<double>(shape.longest_side()) / longest);
  }
  return {scale, scale};
}

Size Fit(const Size& image, const DetectorConfig& shape, Scale* scale) {
  *scale = ScaleOf(image, shape, 1);
  const auto scaled = [&](int64_t side, double by) {
    const double exact = static_cast<double>(side) * by;
    const bool cut = shape.resizing == Resizing::kShortestSide;
    return std::max<int64_t>(1, cut ? static_cast<int64_t>(std::floor(exact)) : std::lround(exact));
  };
  const Size size{scaled(image.height, scale->y), scaled(image.width, scale->x)};
  if (shape.resizing == Resizing::kShortestSide) {
    *scale = {static_cast<double>(size.width) / image.width,
              static_cast<double>(size.height) / image.height};
  }
  return size;
}

int64_t CanvasSide(int64_t pixels, const DetectorConfig& shape) {
  return shape.resizing == Resizing::kSquare ? pixels : RoundUp32(pixels);
}

at::Tensor Resize(const at::Tensor& image, int64_t height, int64_t width, Resizing resizing) {
  at::Tensor pixels = image.to(at::kFloat);
  if (pixels.size(1) == height && pixels.size(2) == width) return pixels;
  pixels = pixels.contiguous().unsqueeze(0);
  pixels = resizing == Resizing::kLongestSide
               ? at::_upsample_bilinear2d_aa(pixels, {height, width}, false)
               : at::upsample_bilinear2d(pixels, {height, width}, false);
  return pixels.squeeze(0);
}

at::Tensor ScaleBoxes(const at::Tensor& boxes, const Scale& scale) {
  const float x = static_cast<float>(scale.x), y = static_cast<float>(scale.y);
  return boxes * at::tensor({x, y, x, y});
}

}  // namespace mgral::core
