#include "server/runtime/convert.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/lookup/table_entry.h"

namespace mgral::runtime {

using domain::SelectionRuntime;

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
    const bool valid = box.width > 0 && box.height > 0 && box.score > 0;
    if (valid) boxes.push_back(box);  // also drops what is not a number
  }
  return boxes;
}

std::vector<core::ScoredBox> ToScoredBoxes(const std::vector<domain::Box>& boxes) {
  std::vector<core::ScoredBox> out;
  for (const domain::Box& box : boxes) {
    out.push_back({box.x_min, box.y_min, box.x_min + box.width, box.y_min + box.height,
                   box.class_index, box.score});
  }
  return out;
}

domain::Accuracy ToAccuracy(const core::Accuracy& measured, int64_t images) {
  domain::Accuracy accuracy;
  accuracy.images = images;
  accuracy.map50 = measured.map50;
  accuracy.map50_11_point = measured.map50_11_point;
  accuracy.map = measured.map;
  for (size_t c = 0; c < measured.class_ap50.size(); ++c) {
    accuracy.classes.push_back({measured.class_ap50[c], measured.class_ap50_11_point[c],
                                measured.class_ap[c], measured.class_positives[c]});
  }
  return accuracy;
}

core::DetectorProfile MakeRecipe(const domain::DetectorSettings& settings, int num_classes,
                                 int64_t labeled_images, uint64_t seed) {
  return core::MakeRecipe(settings.profile,
                          {settings.training_steps, settings.input_size, settings.trunk},
                          num_classes, labeled_images, seed);
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

std::vector<double> KnownAp(std::vector<double> ap, int num_classes) {
  ap.resize(num_classes, 0.0);
  for (double& value : ap) value = std::isfinite(value) ? value : 0.0;
  return ap;
}

core::ObjectEmbeddings ObjectsOf(const std::vector<domain::ImageSignals>& signals) {
  core::ObjectEmbeddings out;
  out.first.push_back(0);
  for (const domain::ImageSignals& image : signals) {
    if (!image.predictions.empty()) {
      if (out.dim == 0) out.dim = image.object_dim;
      if (out.dim == 0 || image.object_dim != out.dim) return {};
      out.values.insert(out.values.end(), image.objects.begin(), image.objects.end());
    }
    out.first.push_back(out.dim == 0 ? 0 : static_cast<int64_t>(out.values.size()) / out.dim);
  }
  return out.dim == 0 ? core::ObjectEmbeddings() : out;
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

absl::StatusOr<core::TableInput> ToCore(const SelectionRuntime::TableRequest& request) {
  const SelectionRuntime::PlanRequest& inputs = request.inputs;
  core::TableInput out;
  auto candidates = ToCore(inputs.candidates, inputs.num_classes);
  if (!candidates.ok()) return candidates.status();
  out.candidates = *std::move(candidates);
  try {
    out.clustering = core::ParseCells(request.plan.cells);
  } catch (const std::invalid_argument&) {
    return absl::DataLossError("the plan's cells cannot be read");
  }
  out.labeled_embeddings = Embeddings(inputs.labeled, out.candidates.dim);
  for (const std::vector<float>& objects : inputs.labeled_objects) {
    out.labeled_objects.insert(out.labeled_objects.end(), objects.begin(), objects.end());
  }
  out.class_ap = KnownAp(inputs.class_ap, inputs.num_classes);
  return out;
}

PositionOf::PositionOf(const std::vector<domain::ImageSignals>& images) {
  for (const domain::ImageSignals& image : images) {
    positions_.emplace(image.image_key, static_cast<int64_t>(positions_.size()));
  }
}

std::vector<int64_t> PositionOf::All(const std::vector<int64_t>& keys) const {
  std::vector<int64_t> positions;
  for (const int64_t key : keys) {
    const auto found = positions_.find(key);
    if (found != positions_.end()) positions.push_back(found->second);
  }
  return positions;
}

std::vector<core::ReplayBase> ToCore(const std::vector<domain::ReplayBase>& bases,
                                     const PositionOf& position) {
  std::vector<core::ReplayBase> out;
  for (const domain::ReplayBase& base : bases) {
    core::ReplayBase& each = out.emplace_back();
    each.images = position.All(base.image_keys);
    for (const domain::ReplayProbe& probe : base.probes) {
      each.batches.push_back({position.All(probe.image_keys), probe.response, probe.half_response,
                              probe.held_positives, probe.missed});
    }
  }
  return out;
}

}  // namespace mgral::runtime
