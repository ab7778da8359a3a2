// What mgral makes of the predictions of a detector elsewhere. Runs in the caller's thread.
#include <stdexcept>
#include <utility>

#include "server/core/detector/signals.h"
#include "server/core/evaluation/average_precision.h"
#include "server/runtime/convert.h"
#include "server/runtime/status_from_exception.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using domain::Box;

std::vector<core::Detection> ToDetections(const std::vector<Box>& boxes, int num_classes) {
  std::vector<core::Detection> detections;
  for (const Box& box : boxes) {
    if (box.class_index < 0 || box.class_index >= num_classes) {
      throw std::invalid_argument("boxes: name a class that is not there");
    }
    detections.push_back(
        {{static_cast<float>(box.x_min), static_cast<float>(box.y_min),
          static_cast<float>(box.x_min + box.width), static_cast<float>(box.y_min + box.height)},
         box.class_index,
         static_cast<float>(box.score)});
  }
  return detections;
}

}  // namespace

absl::StatusOr<std::vector<domain::ImageSignals>> TorchRuntime::Describe(
    std::vector<ExternalPredictions> predictions, int num_classes) {
  return Guarded([&]() -> absl::StatusOr<std::vector<domain::ImageSignals>> {
    std::vector<float> values;
    const size_t size = predictions.empty() ? 0 : predictions[0].embedding.size();
    for (const ExternalPredictions& image : predictions) {
      if (image.embedding.size() != size) {
        return absl::InvalidArgumentError("embeddings have several lengths");
      }
      values.insert(values.end(), image.embedding.begin(), image.embedding.end());
    }
    auto embeddings = core::ToEmbeddings(values, static_cast<int64_t>(size));
    embeddings.resize(predictions.size());
    std::vector<domain::ImageSignals> signals(predictions.size());
    for (size_t i = 0; i < signals.size(); ++i) {
      signals[i].image_key = predictions[i].image_key;
      signals[i].embedding = std::move(embeddings[i]);
      signals[i].expected_objects.assign(num_classes, 0);
      signals[i].uncertainty.assign(num_classes, 0);
      core::AddCounts(ToDetections(predictions[i].boxes, num_classes), 1,
                      &signals[i].expected_objects, &signals[i].uncertainty);
      signals[i].predictions = std::move(predictions[i].boxes);
    }
    return signals;
  });
}

absl::StatusOr<domain::Accuracy> TorchRuntime::Measure(const std::vector<std::vector<Box>>& truth,
                                                       const std::vector<std::vector<Box>>& found,
                                                       int num_classes) {
  return Guarded([&]() -> absl::StatusOr<domain::Accuracy> {
    if (truth.size() != found.size()) {
      return absl::InvalidArgumentError("truth and predictions are of different images");
    }
    std::vector<core::ImageResult> results(truth.size());
    for (size_t i = 0; i < results.size(); ++i) {
      for (const Box& box : truth[i]) {
        results[i].truth.push_back({box.x_min, box.y_min, box.x_min + box.width,
                                    box.y_min + box.height, box.class_index, box.ignore, false});
      }
      results[i].found = ToScoredBoxes(found[i]);
    }
    return ToAccuracy(core::MeasureAccuracy(results, num_classes),
                      static_cast<int64_t>(results.size()));
  });
}

}  // namespace mgral::runtime
