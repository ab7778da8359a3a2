#include "server/core/detector/letterbox.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "server/core/detector/normalise.h"
#include "server/core/detector/sample.h"

namespace mgral::core {

at::Tensor Resize(const at::Tensor& image, int64_t height, int64_t width) {
  at::Tensor pixels = image.to(at::kFloat);
  if (pixels.size(1) == height && pixels.size(2) == width) return pixels;
  return at::_upsample_bilinear2d_aa(pixels.contiguous().unsqueeze(0), {height, width}, false)
      .squeeze(0);
}

Letterboxed Letterbox(const std::vector<at::Tensor>& images, int input_size, Workers& workers) {
  Letterboxed out;
  int64_t height = 32, width = 32;
  for (size_t i = 0; i < images.size(); ++i) {
    const at::Tensor& image = images[i];
    if (!image.defined() || image.scalar_type() != at::kByte || image.dim() != 3 ||
        image.size(0) != 3 || image.size(1) < 1 || image.size(2) < 1) {
      throw std::invalid_argument("image " + std::to_string(i) +
                                  " must be uint8 [3, H, W] with at least one pixel");
    }
    const double scale = static_cast<double>(input_size) / std::max(image.size(1), image.size(2));
    out.scale.push_back(scale);
    const auto scaled = [scale](int64_t side) {
      return std::max<int64_t>(1, std::lround(side * scale));
    };
    out.content_height.push_back(scaled(image.size(1)));
    out.content_width.push_back(scaled(image.size(2)));
    height = std::max(height, RoundUp32(out.content_height.back()));
    width = std::max(width, RoundUp32(out.content_width.back()));
  }
  out.images =
      at::zeros({static_cast<int64_t>(images.size()), 3, height, width},
                at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  workers.Run(static_cast<int64_t>(images.size()), [&](int64_t i) {
    at::NoGradGuard no_grad;
    const at::Tensor resized = Resize(images[i], out.content_height[i], out.content_width[i]);
    out.images[i]
        .slice(1, 0, out.content_height[i])
        .slice(2, 0, out.content_width[i])
        .copy_(NormaliseImage(resized));
  });
  return out;
}

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

}  // namespace mgral::core
