#include "server/core/detector/predict.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "server/core/detector/net_inputs.h"
#include "server/core/detector/preprocess.h"
#include "server/core/detector/sharded_net.h"

namespace mgral::core {

void ToImagePixels(std::vector<Detection>* detections, const Scale& scale, int64_t width,
                   int64_t height) {
  const BoxF image{0, 0, static_cast<float>(width), static_cast<float>(height)};
  const float x = static_cast<float>(1 / scale.x), y = static_cast<float>(1 / scale.y);
  std::vector<Detection> kept;
  for (Detection d : *detections) {
    d.box = Clipped({d.box.x_min * x, d.box.y_min * y, d.box.x_max * x, d.box.y_max * y}, image);
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
  auto detections = detector.net().Detections(
      ForwardInParallel(detector.net(), batch.input, workers), batch.input, config);
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
  std::vector<Sample> samples(images.size());
  for (size_t i = 0; i < images.size(); ++i) samples[i].image = images[i];
  return Predict(detector, samples, config, nullptr);
}

std::vector<std::vector<Detection>> Predict(const Detector& detector,
                                            const std::vector<Sample>& samples,
                                            const PredictConfig& config, FeatureCache* cache) {
  c10::NoGradGuard no_grad;
  Workers workers(static_cast<int64_t>(samples.size()));
  const NetInputs inputs(detector, cache, workers);
  // Only images of one canvas share a batch: what lies beyond an image would change its boxes.
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> alike;
  std::vector<at::Tensor> images;
  for (const Sample& sample : samples) images.push_back(sample.image);
  const Letterboxed geometry = LetterboxGeometry(images, detector.config());
  for (size_t i = 0; i < images.size(); ++i) {
    const BoxF& content = geometry.input.content[i];
    alike[{RoundUp32(std::lround(content.y_max)), RoundUp32(std::lround(content.x_max))}].push_back(
        i);
  }
  std::vector<std::vector<Detection>> result(images.size());
  const size_t step = static_cast<size_t>(std::max<int64_t>(1, config.batch_size));
  for (const auto& [canvas, same] : alike) {
    for (size_t first = 0; first < same.size(); first += step) {
      std::vector<Sample> part;
      for (size_t i = first; i < std::min(same.size(), first + step); ++i) {
        part.push_back(samples[same[i]]);
      }
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

}  // namespace mgral::core
