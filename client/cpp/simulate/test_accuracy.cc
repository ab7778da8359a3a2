#include "client/cpp/simulate/test_accuracy.h"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/evaluation/average_precision.h"

namespace mgral::client {
namespace {

constexpr double kMinScore = 0.01;  // AP needs the tail of weak detections
// A request stays well below the message limit whatever the images are.
constexpr int kMostImages = 50;
constexpr size_t kMostBytes = 16 << 20;

core::ImageResult Truth(const DatasetImage& image) {
  core::ImageResult result;
  for (const DatasetBox& box : image.boxes) {
    core::TruthBox truth;
    truth.x_min = box.x_min;
    truth.y_min = box.y_min;
    truth.x_max = box.x_min + box.width;
    truth.y_max = box.y_min + box.height;
    truth.label = box.class_index;
    truth.ignore = box.ignore;
    result.truth.push_back(truth);
  }
  return result;
}

class Measurement {
 public:
  explicit Measurement(const Dataset& dataset) : dataset_(dataset) {
    for (size_t k = 0; k < dataset.classes.size(); ++k) {
      labels_[dataset.classes[k]] = static_cast<int32_t>(k);
    }
  }

  absl::Status Add(const DatasetImage& image, const v1::ImagePredictions& predictions) {
    if (!predictions.error().empty()) {
      return absl::InternalError(
          absl::StrCat("no predictions for ", image.file_name, ": ", predictions.error()));
    }
    core::ImageResult result = Truth(image);
    for (const v1::Box& box : predictions.boxes()) {
      const auto label = labels_.find(box.class_name());
      if (label == labels_.end()) {
        return absl::InternalError(absl::StrCat("the server predicted the class \"",
                                                box.class_name(), "\", which the pool has not"));
      }
      result.found.push_back({box.x_min(), box.y_min(), box.x_min() + box.width(),
                              box.y_min() + box.height(), label->second, box.score()});
    }
    results_.push_back(std::move(result));
    return absl::OkStatus();
  }

  // `subset`: positions in the order of Add.
  absl::StatusOr<TestAccuracy> Measure(const std::vector<int>& subset) const {
    std::vector<core::ImageResult> results;
    for (int position : subset) results.push_back(results_[static_cast<size_t>(position)]);
    core::Accuracy accuracy;
    try {
      accuracy = core::MeasureAccuracy(results, static_cast<int64_t>(dataset_.classes.size()));
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("predictions cannot be measured: ", error.what()));
    }
    TestAccuracy test;
    test.map50 = Finite(accuracy.map50);
    test.map = Finite(accuracy.map);
    for (const double ap : accuracy.class_ap50) test.class_ap50.push_back(Finite(ap));
    return test;
  }

 private:
  static Number Finite(double value) { return std::isfinite(value) ? Number(value) : Number(); }

  const Dataset& dataset_;
  std::unordered_map<std::string, int32_t> labels_;
  std::vector<core::ImageResult> results_;
};

// Has the model predict on all images.
absl::Status Predict(Client& client, const std::string& model, const Dataset& dataset,
                     const std::vector<int>& images, const std::optional<std::string>& server_path,
                     Measurement* measurement) {
  size_t done = 0;
  while (done < images.size()) {
    v1::PredictRequest request;
    request.set_model(model);
    request.set_min_score(kMinScore);
    request.set_keep_features(true);
    size_t bytes = 0;
    size_t end = done;
    while (end < images.size() && request.images_size() < kMostImages && bytes < kMostBytes) {
      absl::StatusOr<v1::NewImage> image =
          ToNewImage(dataset.images[images[end]], v1::IMAGE_USE_TRAINING, server_path);
      if (!image.ok()) return image.status();
      bytes += image->source().data().size();
      v1::PredictImage* sent = request.add_images();
      sent->set_image_id(image->image_id());
      *sent->mutable_source() = std::move(*image->mutable_source());
      ++end;
    }
    absl::StatusOr<v1::PredictResponse> response = client.Predict(request);
    if (!response.ok()) return response.status();
    if (response->predictions_size() != request.images_size()) {
      return absl::InternalError(absl::StrCat("the server answered ", response->predictions_size(),
                                              " of ", request.images_size(), " images"));
    }
    for (int i = 0; done < end; ++done, ++i) {
      const DatasetImage& image = dataset.images[images[done]];
      if (response->predictions(i).image_id() != image.image_id) {
        return absl::InternalError("the server's predictions are not in the order asked for");
      }
      absl::Status status = measurement->Add(image, response->predictions(i));
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<TestAccuracy>> MeasureOnSubsets(
    Client& client, const std::string& model, const Dataset& dataset,
    const std::vector<int>& images, const std::vector<std::vector<int>>& subsets,
    const std::optional<std::string>& server_path) {
  Measurement measurement(dataset);
  absl::Status status = Predict(client, model, dataset, images, server_path, &measurement);
  if (!status.ok()) return status;
  std::vector<TestAccuracy> accuracies;
  for (const std::vector<int>& subset : subsets) {
    absl::StatusOr<TestAccuracy> accuracy = measurement.Measure(subset);
    if (!accuracy.ok()) return accuracy.status();
    accuracies.push_back(*std::move(accuracy));
  }
  return accuracies;
}

absl::StatusOr<TestAccuracy> MeasureOnTest(Client& client, const std::string& model,
                                           const Dataset& dataset, const std::vector<int>& images,
                                           const std::optional<std::string>& server_path) {
  std::vector<int> all(images.size());
  std::iota(all.begin(), all.end(), 0);
  auto measured = MeasureOnSubsets(client, model, dataset, images, {all}, server_path);
  if (!measured.ok()) return measured.status();
  return std::move(measured->front());
}

}  // namespace mgral::client
