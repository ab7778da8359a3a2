#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/detector/config.h"
#include "server/core/detector/network.h"
#include "server/core/detector/resize.h"
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

// Images brought to one canvas: resized by `scale`, placed at the top left (input.content), zero
// (the mean color) elsewhere.
struct Letterboxed {
  NetInput input;
  std::vector<Scale> scale;
};

// images: uint8 [3, H, W], H and W at least 1 (std::invalid_argument otherwise), resized as `shape`
// says; the canvas is the smallest multiple of 32 that holds all images of the batch, so that
// batches of like images waste nothing.
Letterboxed Letterbox(const std::vector<at::Tensor>& images, const DetectorConfig& shape,
                      Workers& workers);
// The same without the images themselves.
Letterboxed LetterboxGeometry(const std::vector<at::Tensor>& images, const DetectorConfig& shape);

// A minibatch as the network sees it. Boxes are in pixels of the canvas.
struct Minibatch {
  NetInput input;
  std::vector<Sample> labels;  // boxes, labels, ignore of each image; `image` is undefined
  uint64_t draw = 0;           // seeds what is drawn of it, see Network::MakeTargets
};

// Random mirror, size, position and colors for every sample, from RandomAt(seed, stream, step,
// slot) alone: the same arguments give the same minibatch. Objects of which less than a quarter
// stays visible become `ignore`.
Minibatch AugmentedBatch(const std::vector<Sample>& samples, const DetectorConfig& shape,
                         const TrainConfig& config, uint64_t stream, uint64_t step,
                         Workers& workers);

// The views of an image whose features a frozen trunk computes once: the same for every training.
// Each has a canvas of the image's own, the smallest multiples of 32 that hold it. 0: all of the
// image at the top left; further even ones: at a size, position and colors drawn from the sample's
// `content` and the view, within config's ranges; odd ones: the canvas of the one before as its
// mirror image. Float [3, h, w], normalized.
at::Tensor ViewOf(const Sample& sample, int64_t view, const DetectorConfig& shape,
                  const TrainConfig& config);
// Boxes, labels and ignore in a canvas of `width` pixels or more, an odd view at its right edge.
Sample LabelsOfView(const Sample& sample, int64_t view, const DetectorConfig& shape,
                    const TrainConfig& config, int64_t width);
// Names the view, with everything but the image that decides what it shows.
std::string ViewName(int64_t view, const TrainConfig& config);

}  // namespace mgral::core
