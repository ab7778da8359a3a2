#include "server/core/detector/predict.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "server/core/detector/losses.h"
#include "server/core/detector/net_inputs.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/sharded_net.h"
#include "server/core/geometry/boxes.h"

namespace mgral::core {
namespace {

constexpr int64_t kLossBatch = 16;  // images that ValidationLoss looks at together

}  // namespace

std::vector<std::vector<Detection>> DetectionsOf(const RawOutput& output, const at::Tensor& anchors,
                                                 const PredictConfig& config) {
  const at::Tensor scores = output.logits.sigmoid().cpu().contiguous();
  const at::Tensor boxes = DecodeAll(output, anchors);
  const int64_t images = scores.size(0), count = scores.size(1), classes = scores.size(2);
  std::vector<std::vector<Detection>> result(images);
  for (int64_t i = 0; i < images; ++i) {
    const float* score = scores.data_ptr<float>() + i * count * classes;
    const float* box = boxes.data_ptr<float>() + i * count * 4;
    std::vector<Detection> candidates;
    int64_t first = 0;
    for (int64_t level : output.level_anchors) {
      std::vector<int64_t> best;
      for (int64_t k = first * classes; k < (first + level) * classes; ++k) {
        if (score[k] > config.min_score) best.push_back(k);
      }
      first += level;
      const size_t limit = static_cast<size_t>(std::max<int64_t>(1, config.candidates_per_level));
      if (best.size() > limit) {
        std::partial_sort(best.begin(), best.begin() + limit, best.end(),
                          [score](int64_t a, int64_t b) {
                            return score[a] != score[b] ? score[a] > score[b] : a < b;
                          });
        best.resize(limit);
      }
      for (int64_t k : best) {
        const float* b = box + k / classes * 4;
        candidates.push_back(
            {{b[0], b[1], b[2], b[3]}, static_cast<int32_t>(k % classes), score[k]});
      }
    }
    result[i] = NonMaximumSuppression(std::move(candidates), config.nms_iou, config.max_detections);
  }
  return result;
}

at::Tensor DecodeAll(const RawOutput& output, const at::Tensor& anchors) {
  const at::Tensor near = anchors.to(output.deltas.device());
  return DecodeBoxes(output.deltas, near.unsqueeze(0)).cpu().contiguous();
}

void ToImagePixels(std::vector<Detection>* detections, double scale, int64_t width,
                   int64_t height) {
  const float w = static_cast<float>(width), h = static_cast<float>(height);
  const float factor = static_cast<float>(1 / scale);
  std::vector<Detection> kept;
  for (Detection d : *detections) {
    d.box.x_min = std::clamp(d.box.x_min * factor, 0.0f, w);
    d.box.y_min = std::clamp(d.box.y_min * factor, 0.0f, h);
    d.box.x_max = std::clamp(d.box.x_max * factor, 0.0f, w);
    d.box.y_max = std::clamp(d.box.y_max * factor, 0.0f, h);
    if (Area(d.box) > 0) kept.push_back(d);
  }
  *detections = std::move(kept);
}

namespace {

std::vector<std::vector<Detection>> PredictBatch(const Detector& detector,
                                                 const std::vector<Sample>& samples,
                                                 const PredictConfig& config,
                                                 const NetInputs& inputs, Workers& workers) {
  const Letterboxed batch = inputs.Plain(samples);
  const at::Tensor anchors = detector.net().Anchors(batch.input.height, batch.input.width);
  auto detections =
      DetectionsOf(ForwardInParallel(detector.net(), batch.input, workers), anchors, config);
  for (size_t i = 0; i < samples.size(); ++i) {
    const at::Tensor& image = samples[i].image;
    ToImagePixels(&detections[i], batch.scale[i], image.size(2), image.size(1));
  }
  return detections;
}

}  // namespace

std::vector<std::vector<Detection>> Predict(const Detector& detector,
                                            const std::vector<at::Tensor>& images,
                                            const PredictConfig& config) {
  c10::NoGradGuard no_grad;
  Workers workers(static_cast<int64_t>(images.size()));
  const NetInputs inputs(detector, nullptr, workers);
  // Only images of one canvas share a batch: what lies beyond an image would change its boxes.
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> alike;
  const Letterboxed geometry = LetterboxGeometry(images, detector.config().input_size);
  for (size_t i = 0; i < images.size(); ++i) {
    alike[{RoundUp32(geometry.content_height[i]), RoundUp32(geometry.content_width[i])}].push_back(
        i);
  }
  std::vector<std::vector<Detection>> result(images.size());
  const size_t step = static_cast<size_t>(std::max<int64_t>(1, config.batch_size));
  for (const auto& [canvas, same] : alike) {
    for (size_t first = 0; first < same.size(); first += step) {
      std::vector<Sample> part(std::min(step, same.size() - first));
      for (size_t i = 0; i < part.size(); ++i) part[i].image = images[same[first + i]];
      auto found = PredictBatch(detector, part, config, inputs, workers);
      for (size_t i = 0; i < part.size(); ++i) result[same[first + i]] = std::move(found[i]);
    }
  }
  return result;
}

Accuracy Evaluate(const Detector& detector, SampleSource& samples, const PredictConfig& config,
                  const ProgressFn& progress, FeatureCache* cache) {
  c10::NoGradGuard no_grad;
  const int num_classes = detector.config().num_classes;
  std::vector<ImageResult> results;
  const int64_t size = samples.size();
  Workers workers(std::min(size, config.batch_size));
  const NetInputs inputs(detector, cache, workers);
  for (int64_t first = 0; first < size; first += config.batch_size) {
    std::vector<Sample> part;
    for (int64_t i = first; i < std::min(size, first + config.batch_size); ++i) {
      const Sample sample =
          CheckedSample(samples.Get(i), num_classes, "sample " + std::to_string(i));
      part.push_back(sample);
      ImageResult& result = results.emplace_back();
      const float* box = sample.boxes.data_ptr<float>();
      for (int64_t j = 0; j < sample.boxes.size(0); ++j, box += 4) {
        result.truth.push_back({box[0], box[1], box[2], box[3],
                                static_cast<int32_t>(sample.labels[j].item<int64_t>()),
                                sample.ignore[j].item<bool>(), false});
      }
    }
    const auto detections = PredictBatch(detector, part, config, inputs, workers);
    for (size_t i = 0; i < detections.size(); ++i) {
      for (const Detection& d : detections[i]) {
        results[first + i].found.push_back(
            {d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max, d.label, d.score});
      }
    }
    if (progress && !progress(static_cast<double>(results.size()) / size)) throw Canceled();
  }
  return MeasureAccuracy(results, num_classes);
}

std::vector<double> ValidationLoss(const Detector& detector, SampleSource& samples,
                                   const TrainConfig& config, FeatureCache* cache) {
  c10::NoGradGuard no_grad;
  const DetectorConfig& shape = detector.config();
  const int64_t size = samples.size();
  Workers workers(std::min(size, kLossBatch));
  const NetInputs inputs(detector, cache, workers);
  at::Tensor loss = at::zeros({shape.num_classes}, at::kDouble);
  at::Tensor objects = at::zeros({shape.num_classes}, at::kDouble);
  for (int64_t first = 0; first < size; first += kLossBatch) {
    std::vector<Sample> part;
    for (int64_t i = first; i < std::min(size, first + kLossBatch); ++i) {
      part.push_back(
          CheckedSample(samples.Get(i), shape.num_classes, "sample " + std::to_string(i)));
    }
    const Minibatch batch = inputs.PlainBatch(part);
    const int64_t height = batch.input.height, width = batch.input.width;
    const Targets targets =
        AssignTargets(batch.labels, detector.net().Anchors(height, width),
                      detector.net().LevelAnchors(height, width), shape.num_classes, config)
            .To(detector.device());
    const RawOutput output = ForwardInParallel(detector.net(), batch.input, workers);
    loss += (FocalLoss(output.logits, targets.classes, config.focal_alpha, config.focal_gamma) *
             targets.weights)
                .sum(at::IntArrayRef{0, 1})
                .cpu();
    const at::Tensor boxes =
        (PositiveBoxLoss(output.deltas, targets, config) * config.box_loss_weight).cpu();
    const at::Tensor labels = targets.box_labels.cpu();  // added up in one order: on the CPU
    loss.index_add_(0, labels, boxes.to(at::kDouble));
    objects.index_add_(0, labels, at::ones_like(boxes, at::kDouble));
  }
  loss /= objects.clamp_min(1);
  return {loss.data_ptr<double>(), loss.data_ptr<double>() + loss.numel()};
}

}  // namespace mgral::core
