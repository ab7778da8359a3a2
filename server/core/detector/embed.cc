#include "server/core/detector/embed.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "server/core/detector/embed_objects.h"
#include "server/core/detector/net_inputs.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/sharded_net.h"
#include "server/core/detector/signals.h"
#include "server/core/detector/ssd.h"

namespace mgral::core {
namespace {

// Channels of each level.
std::vector<int64_t> LevelChannels(const DetectorConfig& config) {
  if (config.architecture == Architecture::kSsd300) return SsdChannels(config);
  return std::vector<int64_t>(config.num_levels(), config.pyramid_channels);
}

// Pixels of a canvas of that height per position of each level. SSD's levels are spread over its
// canvas; a pyramid's have their strides whatever the canvas.
std::vector<double> Strides(const DetectorConfig& config, const RawOutput& output, int64_t height) {
  std::vector<double> strides;
  for (const at::Tensor& feature : output.features) {
    const int level = static_cast<int>(strides.size());
    strides.push_back(config.architecture == Architecture::kSsd300
                          ? static_cast<double>(height) / static_cast<double>(feature.size(2))
                          : std::ldexp(1.0, config.min_level + level));
  }
  return strides;
}

int64_t RawSize(const DetectorConfig& config) {
  const std::vector<int64_t> channels = LevelChannels(config);
  return std::accumulate(channels.begin(), channels.end(), int64_t{0});
}

// Mean of every level over each image's own part of the canvas, [B, RawSize], on the CPU. `mirror`:
// the images lie at the right edge.
at::Tensor Pool(const RawOutput& output, const Letterboxed& batch, bool mirror) {
  const int64_t height = batch.input.height, width = batch.input.width;
  std::vector<at::Tensor> levels;
  for (const at::Tensor& feature : output.features) {
    const int64_t h = feature.size(2), w = feature.size(3);
    std::vector<at::Tensor> rows;
    for (int64_t i = 0; i < feature.size(0); ++i) {
      const auto cells = [](int64_t content, int64_t canvas, int64_t n) {
        return std::clamp<int64_t>((content * n + canvas - 1) / canvas, 1, n);
      };
      const BoxF& own = batch.input.content[i];
      const int64_t used_h = cells(std::lround(own.y_max), height, h);
      const int64_t used_w = cells(std::lround(own.x_max), width, w);
      const int64_t left = mirror ? w - used_w : 0;
      rows.push_back(feature[i].slice(1, 0, used_h).slice(2, left, left + used_w).mean({1, 2}));
    }
    levels.push_back(at::stack(rows));
  }
  return at::cat(levels, 1).cpu();
}

// Both views' means, each level brought to length 1 so that no level drowns the others.
at::Tensor Normalized(const at::Tensor& pooled, const at::Tensor& projection,
                      const std::vector<int64_t>& channels) {
  std::vector<at::Tensor> levels;
  for (const at::Tensor& level : pooled.split_with_sizes(channels, 1)) {
    levels.push_back(level / level.norm(2, {1}, true).clamp_min(1e-12));
  }
  return ToEmbeddings(at::cat(levels, 1), projection);
}

// Sum over `own` of what its best match in `other` disagrees about.
double Unmatched(const std::vector<Detection>& own, const std::vector<Detection>& other) {
  double sum = 0;
  for (const Detection& d : own) {
    double best = 0;
    for (const Detection& o : other) {
      if (o.label != d.label) continue;
      best = std::max(best, Iou(d.box, o.box) * (1.0 - std::abs(d.score - o.score)));
    }
    sum += d.score * (1 - best);
  }
  return sum;
}

double Disagreement(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  double weight = 0;
  for (const auto* view : {&a, &b}) {
    for (const Detection& d : *view) weight += d.score;
  }
  if (weight <= 0) return 0;
  return (Unmatched(a, b) + Unmatched(b, a)) / std::sqrt(weight);
}

// The boxes of the best detections, brought from the image back to its canvas.
std::vector<BoxF> BoxesToEmbed(const std::vector<Detection>& detections, const Scale& scale) {
  const float x = static_cast<float>(scale.x), y = static_cast<float>(scale.y);
  std::vector<BoxF> boxes;
  for (const Detection& d : detections) {
    if (boxes.size() == kMaxEmbeddedObjects) break;
    boxes.push_back({d.box.x_min * x, d.box.y_min * y, d.box.x_max * x, d.box.y_max * y});
  }
  return boxes;
}

// What embedding needs beside the detector and the images.
struct EmbedTools {
  const NetInputs& inputs;
  at::Tensor projection;
  ObjectEmbedder objects;
};

void EmbedBatch(const Detector& detector, const std::vector<Sample>& samples,
                const PredictConfig& config, const EmbedTools& tools, Workers& workers,
                std::vector<Embedding>* out) {
  const DetectorConfig& shape = detector.config();
  const Letterboxed batch = tools.inputs.Plain(samples);
  const float width = static_cast<float>(batch.input.width);
  const RawOutput plain = ForwardInParallel(detector.net(), batch.input, workers);
  const NetInput mirror_input = tools.inputs.Mirrored(samples, batch.input);
  const RawOutput mirror = ForwardInParallel(detector.net(), mirror_input, workers);
  auto detections = detector.net().Detections(plain, batch.input, config);
  auto mirrored = detector.net().Detections(mirror, mirror_input, config);
  const at::Tensor embeddings = Normalized(Pool(plain, batch, false) + Pool(mirror, batch, true),
                                           tools.projection, LevelChannels(shape));
  const std::vector<double> strides = Strides(shape, plain, batch.input.height);
  for (size_t i = 0; i < samples.size(); ++i) {
    const at::Tensor& image = samples[i].image;
    for (Detection& d : mirrored[i]) {
      d.box = {width - d.box.x_max, d.box.y_min, width - d.box.x_min, d.box.y_max};
    }
    for (auto* view : {&detections[i], &mirrored[i]}) {
      ToImagePixels(view, batch.scale[i], image.size(2), image.size(1));
    }
    Embedding& e = out->emplace_back();
    const float* row = embeddings.data_ptr<float>() + i * embeddings.size(1);
    e.embedding.assign(row, row + embeddings.size(1));
    e.expected_objects.assign(shape.num_classes, 0);
    e.uncertainty.assign(shape.num_classes, 0);
    AddCounts(detections[i], 0.5f, &e.expected_objects, &e.uncertainty);
    AddCounts(mirrored[i], 0.5f, &e.expected_objects, &e.uncertainty);
    e.disagreement = static_cast<float>(Disagreement(detections[i], mirrored[i]));
    e.objects = tools.objects.Embed(plain.features, strides, static_cast<int64_t>(i),
                                    BoxesToEmbed(detections[i], batch.scale[i]));
    e.detections = std::move(detections[i]);
  }
}

}  // namespace

int64_t EmbeddingSize(const DetectorConfig& config) {
  return std::min(kMaxEmbedding, RawSize(config));
}

int64_t ObjectEmbeddingSize(const DetectorConfig& config) {
  return ObjectEmbedder(LevelChannels(config)).dim();
}

std::vector<Embedding> Embed(const Detector& detector, SampleSource& samples,
                             const PredictConfig& config, const ProgressFn& progress,
                             FeatureCache* cache) {
  c10::NoGradGuard no_grad;
  const int64_t size = samples.size(), step = std::max<int64_t>(1, config.batch_size);
  Workers workers(std::min(size, step));
  const NetInputs inputs(detector, cache, workers);
  const EmbedTools tools{inputs, EmbeddingProjection(RawSize(detector.config())),
                         ObjectEmbedder(LevelChannels(detector.config()))};
  std::vector<Embedding> out;
  out.reserve(size);
  for (int64_t first = 0; first < size; first += step) {
    std::vector<Sample> part;
    for (int64_t i = first; i < std::min(size, first + step); ++i) part.push_back(samples.Get(i));
    EmbedBatch(detector, part, config, tools, workers, &out);
    if (progress && !progress(static_cast<double>(out.size()) / size)) throw Canceled();
  }
  return out;
}

}  // namespace mgral::core
