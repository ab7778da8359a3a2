#include "server/runtime/convert.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace mgral::runtime {

std::vector<domain::Box> ToBoxes(const std::vector<core::Detection>& detections, int reduced_width,
                                 int reduced_height, int original_width, int original_height) {
  const double scale_x = static_cast<double>(original_width) / reduced_width;
  const double scale_y = static_cast<double>(original_height) / reduced_height;
  std::vector<domain::Box> boxes;
  boxes.reserve(detections.size());
  for (const core::Detection& detection : detections) {
    const auto clamp = [](double value, double limit) {
      return std::min(std::max(value, 0.0), limit);
    };
    domain::Box box;
    box.x_min = clamp(detection.box.x_min * scale_x, original_width);
    box.y_min = clamp(detection.box.y_min * scale_y, original_height);
    box.width = clamp(detection.box.x_max * scale_x, original_width) - box.x_min;
    box.height = clamp(detection.box.y_max * scale_y, original_height) - box.y_min;
    box.class_index = detection.label;
    box.score = detection.score;
    const bool sound = box.width > 0 && box.height > 0 && box.score > 0;
    if (sound) boxes.push_back(box);  // also drops what is not a number
  }
  return boxes;
}

absl::StatusOr<core::ImageSignals> ToCore(const std::vector<domain::ImageSignals>& signals,
                                          int num_classes) {
  core::ImageSignals out;
  out.images = static_cast<int64_t>(signals.size());
  out.classes = num_classes;
  out.dim = signals.empty() ? 0 : static_cast<int64_t>(signals[0].embedding.size());
  const size_t classes = static_cast<size_t>(num_classes);
  for (const domain::ImageSignals& image : signals) {
    if (static_cast<int64_t>(image.embedding.size()) != out.dim ||
        image.expected_objects.size() != classes || image.uncertainty.size() != classes) {
      return absl::InvalidArgumentError(
          absl::StrCat("signals of image ", image.image_key, " have another size than the rest"));
    }
    out.embeddings.insert(out.embeddings.end(), image.embedding.begin(), image.embedding.end());
    out.expected_objects.insert(out.expected_objects.end(), image.expected_objects.begin(),
                                image.expected_objects.end());
    out.uncertainty.insert(out.uncertainty.end(), image.uncertainty.begin(),
                           image.uncertainty.end());
    out.disagreement.push_back(image.disagreement);
  }
  return out;
}

std::vector<float> Embeddings(const std::vector<domain::ImageSignals>& signals, size_t dim) {
  std::vector<float> out;
  out.reserve(signals.size() * dim);
  for (const domain::ImageSignals& image : signals) {
    if (image.embedding.size() != dim) continue;
    out.insert(out.end(), image.embedding.begin(), image.embedding.end());
  }
  return out;
}

std::vector<double> KnownAp(const domain::Accuracy& accuracy, int num_classes) {
  std::vector<double> ap(num_classes, 0.0);
  for (size_t c = 0; c < ap.size() && c < accuracy.classes.size(); ++c) {
    if (std::isfinite(accuracy.classes[c].ap50)) ap[c] = accuracy.classes[c].ap50;
  }
  return ap;
}

}  // namespace mgral::runtime
