#include "server/core/detector/preprocess.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

#include "server/core/geometry/boxes.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

constexpr double kLeastVisible = 0.25;
constexpr uint64_t kViewSeed = 20260115;  // part of the views: their features are kept

// ImageNet's, of red, green, blue.
const std::vector<double> kMean = {123.675, 116.28, 103.53};
const std::vector<double> kDeviation = {58.395, 57.12, 57.375};

// Where an image goes: mirrored or not, scaled, then shifted; may hang over the canvas.
struct Placement {
  bool mirror = false;
  Scale scale;
  int64_t left = 0, top = 0;
};

double RandomPosition(std::mt19937_64& random, int64_t canvas, double size) {
  // Anywhere inside if it fits, else anywhere that leaves no gap.
  return UniformFrom(random, std::min(0.0, canvas - size), std::max(0.0, canvas - size) + 1e-9);
}

Placement RandomPlacement(std::mt19937_64& random, const Size& image, int64_t canvas_h,
                          int64_t canvas_w, const DetectorConfig& shape,
                          const TrainConfig& config) {
  Placement p;
  p.mirror = config.mirror && UniformFrom(random, 0, 1) < 0.5;
  const int64_t h = image.height, w = image.width;
  const double jitter =
      std::exp(UniformFrom(random, std::log(config.scale_min), std::log(config.scale_max)));
  p.scale = ScaleOf(image, shape, jitter);
  p.left = std::lround(RandomPosition(random, canvas_w, w * p.scale.x));
  p.top = std::lround(RandomPosition(random, canvas_h, h * p.scale.y));
  return p;
}

// x -> a x + b gray(x) + c, which is brightness, contrast and saturation in one pass.
at::Tensor JitterColors(at::Tensor image, std::mt19937_64& random, const TrainConfig& config) {
  const double brightness = 1 + UniformFrom(random, -config.brightness, config.brightness);
  const double contrast = 1 + UniformFrom(random, -config.contrast, config.contrast);
  const double saturation = 1 + UniformFrom(random, -config.saturation, config.saturation);
  const at::Tensor gray = image[0] * 0.299 + image[1] * 0.587 + image[2] * 0.114;
  const double mean = gray.mean().item<double>();
  const double gain = brightness * contrast;
  image = image * (gain * saturation) + gray * (gain * (1 - saturation));
  return image.add_(brightness * (1 - contrast) * mean).clamp_(0, 255);
}

// Resizes only the part of the image that lands in the canvas. `recolor` maps pixels to pixels.
void PlaceImage(const at::Tensor& image, const Placement& p, Resizing resizing,
                const std::function<at::Tensor(const at::Tensor&)>& recolor, at::Tensor canvas) {
  const int64_t canvas_h = canvas.size(1), canvas_w = canvas.size(2);
  const int64_t h = image.size(1), w = image.size(2);
  const auto visible = [](int64_t offset, double scale, int64_t limit, int64_t size, int64_t* from,
                          int64_t* to) {
    *from = std::max<int64_t>(0, std::floor(-offset / scale));
    *to = std::min<int64_t>(size, std::ceil((limit - offset) / scale));
    *to = std::max(*to, *from + 1);
  };
  int64_t y0, y1, x0, x1;
  visible(p.top, p.scale.y, canvas_h, h, &y0, &y1);
  visible(p.left, p.scale.x, canvas_w, w, &x0, &x1);
  at::Tensor part = (p.mirror ? image.flip(2) : image).slice(1, y0, y1).slice(2, x0, x1);
  const int64_t part_h = std::max<int64_t>(1, std::lround((y1 - y0) * p.scale.y));
  const int64_t part_w = std::max<int64_t>(1, std::lround((x1 - x0) * p.scale.x));
  part = NormalizeImage(recolor(Resize(part, part_h, part_w, resizing)));
  const int64_t top = p.top + std::lround(y0 * p.scale.y);
  const int64_t left = p.left + std::lround(x0 * p.scale.x);
  const int64_t cut_y = std::max<int64_t>(0, -top), cut_x = std::max<int64_t>(0, -left);
  const int64_t rows = std::min(part_h - cut_y, canvas_h - top - cut_y);
  const int64_t columns = std::min(part_w - cut_x, canvas_w - left - cut_x);
  if (rows <= 0 || columns <= 0) return;
  canvas.slice(1, top + cut_y, top + cut_y + rows)
      .slice(2, left + cut_x, left + cut_x + columns)
      .copy_(part.slice(1, cut_y, cut_y + rows).slice(2, cut_x, cut_x + columns));
}

Sample PlaceLabels(const Sample& sample, const Placement& p, int64_t canvas_h, int64_t canvas_w) {
  Sample out;
  at::Tensor boxes = sample.boxes;
  if (p.mirror) boxes = MirrorBoxes(boxes, sample.image.size(2));
  const float left = p.left, top = p.top;
  boxes = ScaleBoxes(boxes, p.scale) + at::tensor({left, top, left, top});
  const at::Tensor limit = at::tensor({static_cast<float>(canvas_w), static_cast<float>(canvas_h)});
  const at::Tensor clipped = at::min(boxes.view({-1, 2, 2}).clamp_min(0), limit).view({-1, 4});
  const at::Tensor share = BoxArea(clipped) / BoxArea(boxes).clamp_min(1e-6);
  const at::Tensor keep = (BoxArea(clipped) > 1).nonzero().squeeze(1);
  out.boxes = clipped.index_select(0, keep).contiguous();
  out.labels = sample.labels.index_select(0, keep);
  out.ignore = (sample.ignore | (share < kLeastVisible)).index_select(0, keep);
  return out;
}

Size CanvasSize(const std::vector<Sample>& samples, const DetectorConfig& shape) {
  Size canvas{32, 32};
  for (const Sample& s : samples) {
    Scale scale;
    const Size size = Fit({s.image.size(1), s.image.size(2)}, shape, &scale);
    canvas.height = std::max(canvas.height, CanvasSide(size.height, shape));
    canvas.width = std::max(canvas.width, CanvasSide(size.width, shape));
  }
  return canvas;
}

}  // namespace

const std::vector<double>& PixelMean() { return kMean; }
const std::vector<double>& PixelDeviation() { return kDeviation; }

at::Tensor NormalizeImage(const at::Tensor& image) {
  static const at::Tensor mean = at::tensor(kMean, at::kFloat).view({3, 1, 1});
  static const at::Tensor scale = at::tensor(kDeviation, at::kFloat).reciprocal().view({3, 1, 1});
  return (image - mean).mul_(scale);
}

at::Tensor PixelsOf(const at::Tensor& normalized) {
  const at::Tensor mean = at::tensor(kMean, normalized.options()).view({3, 1, 1});
  const at::Tensor deviation = at::tensor(kDeviation, normalized.options()).view({3, 1, 1});
  return (normalized * deviation).add_(mean);
}

Letterboxed LetterboxGeometry(const std::vector<at::Tensor>& images, const DetectorConfig& shape) {
  Letterboxed out;
  out.input.height = out.input.width = 32;
  for (size_t i = 0; i < images.size(); ++i) {
    const at::Tensor& image = images[i];
    if (!image.defined() || image.scalar_type() != at::kByte || image.dim() != 3 ||
        image.size(0) != 3 || image.size(1) < 1 || image.size(2) < 1) {
      throw std::invalid_argument("image " + std::to_string(i) +
                                  " must be uint8 [3, H, W] with at least one pixel");
    }
    Scale scale;
    const Size size = Fit({image.size(1), image.size(2)}, shape, &scale);
    out.scale.push_back(scale);
    out.input.content.push_back(
        {0, 0, static_cast<float>(size.width), static_cast<float>(size.height)});
    out.input.height = std::max(out.input.height, CanvasSide(size.height, shape));
    out.input.width = std::max(out.input.width, CanvasSide(size.width, shape));
  }
  return out;
}

Letterboxed Letterbox(const std::vector<at::Tensor>& images, const DetectorConfig& shape,
                      Workers& workers) {
  Letterboxed out = LetterboxGeometry(images, shape);
  const int64_t count = static_cast<int64_t>(images.size());
  out.input.images =
      at::zeros({count, 3, out.input.height, out.input.width},
                at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  workers.Run(count, [&](int64_t i) {
    c10::NoGradGuard no_grad;
    const int64_t height = std::lround(out.input.content[i].y_max);
    const int64_t width = std::lround(out.input.content[i].x_max);
    const at::Tensor resized = Resize(images[i], height, width, shape.resizing);
    out.input.images[i].slice(1, 0, height).slice(2, 0, width).copy_(NormalizeImage(resized));
  });
  return out;
}

Minibatch AugmentedBatch(const std::vector<Sample>& samples, const DetectorConfig& shape,
                         const TrainConfig& config, uint64_t stream, uint64_t step,
                         Workers& workers) {
  const int64_t count = static_cast<int64_t>(samples.size());
  const auto [height, width] = CanvasSize(samples, shape);
  Minibatch batch;
  batch.labels.resize(count);
  batch.input.height = height;
  batch.input.width = width;
  batch.input.images =
      at::zeros({count, 3, height, width},
                at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  workers.Run(count, [&, canvas = Size{height, width}](int64_t i) {
    c10::NoGradGuard no_grad;
    std::mt19937_64 random = RandomAt(config.seed, stream, step, i);
    const at::Tensor& image = samples[i].image;
    const Placement p = RandomPlacement(random, {image.size(1), image.size(2)}, canvas.height,
                                        canvas.width, shape, config);
    const auto recolor = [&](const at::Tensor& pixels) {
      return JitterColors(pixels, random, config);
    };
    PlaceImage(image, p, shape.resizing, recolor, batch.input.images[i]);
    batch.labels[i] = PlaceLabels(samples[i], p, canvas.height, canvas.width);
  });
  return batch;
}

namespace {

// FNV-1a: standard libraries differ in their hashes, and views must not.
uint64_t HashOf(const std::string& text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

// The canvas of one image and where an even view lies in it. What is random beyond that is left in
// `random`.
Placement PlacementOfView(const Sample& sample, int64_t view, const DetectorConfig& shape,
                          const TrainConfig& config, Size* canvas, std::mt19937_64* random) {
  const Size image{sample.image.size(1), sample.image.size(2)};
  Placement p;
  const Size size = Fit(image, shape, &p.scale);
  *canvas = {CanvasSide(size.height, shape), CanvasSide(size.width, shape)};
  if (view < 2) return p;
  *random = RandomAt(kViewSeed, HashOf(sample.content), static_cast<uint64_t>(view / 2), 0);
  TrainConfig upright = config;
  upright.mirror = false;
  return RandomPlacement(*random, image, canvas->height, canvas->width, shape, upright);
}

}  // namespace

at::Tensor ViewOf(const Sample& sample, int64_t view, const DetectorConfig& shape,
                  const TrainConfig& config) {
  Size size;
  std::mt19937_64 random;
  const Placement p = PlacementOfView(sample, view, shape, config, &size, &random);
  const at::Tensor canvas = at::zeros({3, size.height, size.width});
  const auto recolor = [&](const at::Tensor& pixels) {
    return view < 2 ? pixels : JitterColors(pixels, random, config);
  };
  PlaceImage(sample.image, p, shape.resizing, recolor, canvas);
  return view % 2 == 0 ? canvas : canvas.flip(2);
}

Sample LabelsOfView(const Sample& sample, int64_t view, const DetectorConfig& shape,
                    const TrainConfig& config, int64_t width) {
  Size own;
  std::mt19937_64 random;
  const Placement p = PlacementOfView(sample, view, shape, config, &own, &random);
  Sample labels = PlaceLabels(sample, p, own.height, own.width);
  if (view % 2 == 1) labels.boxes = MirrorBoxes(labels.boxes, width);
  return labels;
}

std::string ViewName(int64_t view, const TrainConfig& config) {
  const std::string side = view % 2 == 0 ? "" : "mirror-";
  if (view < 2) return side + "whole";
  std::ostringstream name;
  name.precision(17);
  name << side << view / 2;
  for (double range : {config.scale_min, config.scale_max, config.brightness, config.contrast,
                       config.saturation}) {
    name << "-" << range;
  }
  return name.str();
}

}  // namespace mgral::core
