#include "server/core/detector/net_inputs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "server/core/detector/network.h"
#include "server/core/random.h"

namespace mgral::core {
namespace {

std::vector<at::Tensor> ImagesOf(const std::vector<Sample>& samples) {
  std::vector<at::Tensor> images;
  for (const Sample& s : samples) images.push_back(s.image);
  return images;
}

std::vector<BoxF> MirrorContent(const NetInput& input) {
  std::vector<BoxF> content = input.content;
  const float width = static_cast<float>(input.width);
  for (BoxF& b : content) b = {width - b.x_max, b.y_min, width - b.x_min, b.y_max};
  return content;
}

NetInput MirrorOf(const NetInput& input) {
  return {input.images.flip(3), {}, input.height, input.width, MirrorContent(input)};
}

// Features of several images as one batch: even views at the left edge of their common canvas, odd
// ones at the right, zeros elsewhere.
NetInput BatchOf(const std::vector<ViewFeatures>& all, const std::vector<int64_t>& views,
                 int min_level, Workers& workers) {
  const int64_t count = static_cast<int64_t>(all.size());
  NetInput input;
  for (size_t level = 0; level < all.at(0).size(); ++level) {
    int64_t height = 0, width = 0;
    for (const ViewFeatures& features : all) {
      height = std::max(height, features[level].size(0));
      width = std::max(width, features[level].size(1));
    }
    at::Tensor batch = at::zeros({count, height, width, all[0][level].size(2)});
    workers.Run(count, [&](int64_t i) {
      c10::NoGradGuard no_grad_here;
      const at::Tensor& own = all[i][level];
      const int64_t left = views[i] % 2 == 0 ? 0 : width - own.size(1);
      batch[i].slice(0, 0, own.size(0)).slice(1, left, left + own.size(1)).copy_(own);
    });
    input.features.push_back(batch.permute({0, 3, 1, 2}));
    const int64_t stride = int64_t{1} << (min_level + level);
    input.height = height * stride;
    input.width = width * stride;
  }
  return input;
}

}  // namespace

NetInputs::NetInputs(const Detector& detector, FeatureCache* cache, Workers& workers)
    : detector_(detector), cache_(cache), workers_(workers) {}

ViewFeatures NetInputs::Compute(const Sample& sample, int64_t view,
                                const TrainConfig& config) const {
  const at::Tensor image = ViewOf(sample, view, detector_.config(), config)
                               .unsqueeze(0)
                               .contiguous(at::MemoryFormat::ChannelsLast);
  ViewFeatures features;
  for (const at::Tensor& level : detector_.net().Features(image.to(detector_.device()))) {
    features.push_back(level.squeeze(0).permute({1, 2, 0}).to(at::kHalf).cpu().contiguous());
  }
  return features;
}

NetInput NetInputs::FeaturesOf(const std::vector<Sample>& samples,
                               const std::vector<int64_t>& views, const TrainConfig& config) const {
  c10::NoGradGuard no_grad;
  const int64_t count = static_cast<int64_t>(samples.size());
  std::vector<ViewFeatures> all(count);
  std::vector<int64_t> missing;
  for (int64_t i = 0; i < count; ++i) {
    const bool kept = cache_ != nullptr && !samples[i].content.empty();
    if (kept) all[i] = cache_->Find(samples[i].content, ViewName(views[i], config));
    if (all[i].empty()) missing.push_back(i);
  }
  const auto compute = [&](int64_t m) {
    c10::NoGradGuard no_grad_here;
    const int64_t i = missing[m];
    all[i] = Compute(samples[i], views[i], config);
    if (cache_ != nullptr && !samples[i].content.empty()) {
      cache_->Keep(samples[i].content, ViewName(views[i], config), all[i]);
    }
  };
  if (detector_.device().is_cpu()) {
    workers_.Run(static_cast<int64_t>(missing.size()), compute);
  } else {
    for (size_t m = 0; m < missing.size(); ++m) compute(static_cast<int64_t>(m));
  }
  return BatchOf(all, views, detector_.config().min_level, workers_);
}

Minibatch NetInputs::Augmented(const std::vector<Sample>& samples, const TrainConfig& config,
                               uint64_t stream, uint64_t step) const {
  const DetectorConfig& shape = detector_.config();
  const uint64_t draw = MixSeed(config.seed, stream, step, samples.size());
  if (!shape.frozen_trunk) {
    Minibatch batch = AugmentedBatch(samples, shape, config, stream, step, workers_);
    batch.draw = draw;
    return batch;
  }
  std::vector<int64_t> views;
  for (size_t i = 0; i < samples.size(); ++i) {
    std::mt19937_64 random = RandomAt(config.seed, stream, step, i);
    views.push_back(static_cast<int64_t>(random() % config.views));
  }
  Minibatch batch{FeaturesOf(samples, views, config), {}, draw};
  for (size_t i = 0; i < samples.size(); ++i) {
    batch.labels.push_back(LabelsOfView(samples[i], views[i], shape, config, batch.input.width));
  }
  return batch;
}

Letterboxed NetInputs::Plain(const std::vector<Sample>& samples) const {
  const DetectorConfig& shape = detector_.config();
  if (!shape.frozen_trunk) return Letterbox(ImagesOf(samples), shape, workers_);
  Letterboxed out = LetterboxGeometry(ImagesOf(samples), shape);
  std::vector<BoxF> content = std::move(out.input.content);
  out.input = FeaturesOf(samples, std::vector<int64_t>(samples.size(), 0), TrainConfig());
  out.input.content = std::move(content);
  return out;
}

NetInput NetInputs::Mirrored(const std::vector<Sample>& samples, const NetInput& plain) const {
  if (!detector_.config().frozen_trunk) return MirrorOf(plain);
  NetInput mirrored = FeaturesOf(samples, std::vector<int64_t>(samples.size(), 1), TrainConfig());
  mirrored.content = MirrorContent(plain);
  return mirrored;
}

Minibatch NetInputs::PlainBatch(const std::vector<Sample>& samples) const {
  const Letterboxed letterboxed = Plain(samples);
  Minibatch batch{letterboxed.input, {}, 0};
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample labels = samples[i];
    labels.image = at::Tensor();
    labels.boxes = ScaleBoxes(labels.boxes, letterboxed.scale[i]);
    batch.labels.push_back(labels);
  }
  return batch;
}

}  // namespace mgral::core
