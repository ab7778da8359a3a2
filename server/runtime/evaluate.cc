#include "server/runtime/evaluate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "server/core/evaluation/average_precision.h"

namespace mgral::runtime {
namespace {

constexpr int64_t kChunk = 64;

core::ImageResult Result(const core::Sample& sample, const std::vector<core::Detection>& found) {
  core::ImageResult result;
  const float* corners = sample.boxes.data_ptr<float>();
  for (int64_t i = 0; i < sample.boxes.size(0); ++i, corners += 4) {
    core::TruthBox truth;
    truth.x_min = corners[0];
    truth.y_min = corners[1];
    truth.x_max = corners[2];
    truth.y_max = corners[3];
    truth.label = static_cast<int32_t>(sample.labels.data_ptr<int64_t>()[i]);
    truth.ignore = sample.ignore.data_ptr<bool>()[i];
    result.truth.push_back(truth);
  }
  for (const core::Detection& detection : found) {
    const core::BoxF& box = detection.box;
    result.found.push_back(
        {box.x_min, box.y_min, box.x_max, box.y_max, detection.label, detection.score});
  }
  return result;
}

}  // namespace

domain::Accuracy EvaluateDetector(const core::Detector& detector, ExampleSamples* samples,
                                  const core::PredictConfig& config,
                                  const domain::Progress& progress) {
  std::vector<core::ImageResult> results;
  const int64_t n = samples->size();
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    if (progress && !progress(static_cast<double>(begin) / n)) throw core::Cancelled();
    std::vector<core::Sample> chunk;
    std::vector<at::Tensor> images;
    for (int64_t i = begin; i < std::min(n, begin + kChunk); ++i) {
      chunk.push_back(samples->Get(i));
      images.push_back(chunk.back().image);
    }
    const auto found = core::Predict(detector, images, config);
    for (size_t i = 0; i < chunk.size(); ++i) results.push_back(Result(chunk[i], found[i]));
  }
  const int64_t classes = detector.config().num_classes;
  const core::Accuracy measured = core::MeasureAccuracy(results, classes);
  core::ApOptions eleven;
  eleven.interpolation = core::Interpolation::kElevenPoint;
  const std::vector<core::ClassAp> eleven_point = core::AveragePrecision(results, classes, eleven);

  domain::Accuracy accuracy;
  accuracy.images = n;
  accuracy.map50 = measured.map50;
  accuracy.map50_11_point = core::MeanAp(eleven_point);
  accuracy.map = measured.map;
  for (int64_t c = 0; c < classes; ++c) {
    accuracy.classes.push_back({measured.class_ap50[c], eleven_point[c].ap, measured.class_ap[c],
                                measured.class_positives[c]});
  }
  return accuracy;
}

}  // namespace mgral::runtime
