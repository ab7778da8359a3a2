#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/retinanet.h"
#include "server/core/detector/sample.h"
#include "server/core/detector/workers.h"

namespace mgral::core {

// What NormalizeImage subtracts from pixels in [0, 255], and divides them by: red, green, blue.
const std::vector<double>& PixelMean();
const std::vector<double>& PixelDeviation();

// Float [3, H, W] in [0, 255] -> ImageNet's mean 0 and standard deviation 1, as torchvision's
// weights expect.
at::Tensor NormalizeImage(const at::Tensor& image);
// Its inverse, of one image or of a batch on any device.
at::Tensor PixelsOf(const at::Tensor& normalized);

// Images brought to one canvas: resized by `scale`, placed at the top left, zero (the mean color)
// elsewhere.
struct Letterboxed {
  NetInput input;
  std::vector<double> scale;                           // canvas pixels per image pixel
  std::vector<int64_t> content_height, content_width;  // of each image in the canvas
};

// images: uint8 [3, H, W], H and W at least 1 (std::invalid_argument otherwise). Longest sides
// become input_size; the canvas is the smallest multiple of 32 that holds all images of the batch,
// so that batches of like images waste nothing.
Letterboxed Letterbox(const std::vector<at::Tensor>& images, int input_size, Workers& workers);
// The same without the images themselves.
Letterboxed LetterboxGeometry(const std::vector<at::Tensor>& images, int input_size);

// Float [3, h, w] of uint8 or float [3, H, W]: bilinear, with antialiasing where it shrinks.
at::Tensor Resize(const at::Tensor& image, int64_t height, int64_t width);

// Smallest multiple of 32 that is at least `pixels`.
inline int64_t RoundUp32(int64_t pixels) { return (pixels + 31) / 32 * 32; }

// A minibatch as the network sees it. Boxes are in pixels of the canvas.
struct Minibatch {
  NetInput input;
  std::vector<Sample> labels;  // boxes, labels, ignore of each image; `image` is undefined
};

// Random mirror, size, position and colors for every sample, from RandomAt(seed, stream, step,
// slot) alone: the same arguments give the same minibatch. Objects of which less than a quarter
// stays visible become `ignore`.
Minibatch AugmentedBatch(const std::vector<Sample>& samples, int input_size,
                         const TrainConfig& config, uint64_t stream, uint64_t step,
                         Workers& workers);

// The views of an image whose features a frozen trunk computes once: the same for every training.
// Each has a canvas of the image's own, the smallest multiples of 32 that hold it. 0: all of the
// image at the top left; further even ones: at a size, position and colors drawn from the sample's
// `content` and the view, within config's ranges; odd ones: the canvas of the one before as its
// mirror image. Float [3, h, w], normalized.
at::Tensor ViewOf(const Sample& sample, int64_t view, int input_size, const TrainConfig& config);
// Boxes, labels and ignore in a canvas of `width` pixels or more, an odd view at its right edge.
Sample LabelsOfView(const Sample& sample, int64_t view, int input_size, const TrainConfig& config,
                    int64_t width);
// Names the view, with everything but the image that decides what it shows.
std::string ViewName(int64_t view, const TrainConfig& config);

}  // namespace mgral::core
