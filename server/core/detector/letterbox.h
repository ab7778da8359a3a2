#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/core/detector/workers.h"

namespace mgral::core {

// Images brought to one canvas: resized by `scale`, placed at the top left, zero (the mean colour)
// elsewhere.
struct Letterboxed {
  at::Tensor images;          // float [B, 3, h, w], normalised, channels_last
  std::vector<double> scale;  // canvas pixels per image pixel
  std::vector<int64_t> content_height, content_width;  // of each image in the canvas
};

// images: uint8 [3, H, W], H and W at least 1 (std::invalid_argument otherwise). Longest sides
// become input_size; the canvas is the smallest multiple of 32 that holds all images of the batch,
// so that batches of like images waste nothing.
Letterboxed Letterbox(const std::vector<at::Tensor>& images, int input_size, Workers& workers);

// Float [3, h, w] of uint8 or float [3, H, W]: bilinear, with antialiasing where it shrinks.
at::Tensor Resize(const at::Tensor& image, int64_t height, int64_t width);

// Smallest multiple of 32 that is at least `pixels`.
inline int64_t RoundUp32(int64_t pixels) { return (pixels + 31) / 32 * 32; }

}  // namespace mgral::core
