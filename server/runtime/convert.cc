#include "server/runtime/convert.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/lookup/table_entry.h"

namespace mgral::runtime {
namespace {

using domain::SelectionRuntime;

std::vector<double> Ap50(const domain::Accuracy& accuracy) {
  std::vector<double> ap;
  for (const auto& each : accuracy.classes) ap.push_back(each.ap50);
  return ap;
}

absl::StatusOr<core::ImageSet> ToImageSet(const std::vector<domain::ImageSignals>& signals,
                                          int num_classes) {
  auto converted = ToCore(signals, num_classes);
  if (!converted.ok()) return converted.status();
  core::ImageSet set;
  for (const domain::ImageSignals& image : signals) set.keys.push_back(image.image_key);
  set.signals = *std::move(converted);
  return set;
}

absl::StatusOr<core::ProbePlan> ToCore(const domain::ProbePlan& plan) {
  core::ProbePlan out;
  try {
    out.clustering = core::ParseCells(plan.cells);
  } catch (const std::invalid_argument&) {
    return absl::DataLossError("the plan's cells cannot be read");
  }
  for (const domain::ProbeBatch& probe : plan.probes) {
    out.probes.push_back({probe.replay, probe.control, probe.image_keys, probe.seed});
  }
  return out;
}

}  // namespace

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

absl::StatusOr<core::CycleImages> ToCore(const SelectionRuntime::PlanRequest& request) {
  core::CycleImages images;
  auto candidates = ToImageSet(request.candidates, request.num_classes);
  if (!candidates.ok()) return candidates.status();
  images.candidates = *std::move(candidates);
  const size_t dim = images.candidates.signals.dim;
  for (const domain::ImageSignals& image : request.labeled) {
    if (image.embedding.size() == dim) images.labeled_keys.push_back(image.image_key);
  }
  images.labeled_embeddings = Embeddings(request.labeled, dim);
  auto newly_labeled = ToImageSet(request.newly_labeled, request.num_classes);
  if (!newly_labeled.ok()) return newly_labeled.status();
  images.newly_labeled = *std::move(newly_labeled);
  images.labeled_objects.assign(request.labeled_class_counts.begin(),
                                request.labeled_class_counts.end());
  images.labeled_objects.resize(request.num_classes, 0.0);
  images.class_ap = KnownAp(Ap50(request.validation), request.num_classes);
  return images;
}

absl::StatusOr<core::ProbeEvidence> ToCore(const SelectionRuntime::TableRequest& request) {
  core::ProbeEvidence evidence;
  auto images = ToCore(request.inputs);
  if (!images.ok()) return images.status();
  evidence.images = *std::move(images);
  auto plan = ToCore(request.plan);
  if (!plan.ok()) return plan.status();
  evidence.plan = *std::move(plan);
  for (const domain::ProbeResponse& response : request.responses) {
    evidence.class_ap50.push_back(response.class_ap50);
  }
  for (const SelectionRuntime::RealizedBatch& realized : request.realized) {
    auto set = ToImageSet(realized.images, request.inputs.num_classes);
    if (!set.ok()) return set.status();
    evidence.realized.push_back({*std::move(set), realized.class_gain});
  }
  return evidence;
}

domain::ProbePlan ToDomain(const core::ProbePlan& plan) {
  domain::ProbePlan out;
  out.cells = core::SerializeCells(plan.clustering);
  for (const core::Probe& probe : plan.probes) {
    out.probes.push_back({probe.replay, probe.control, probe.keys, probe.seed});
  }
  return out;
}

}  // namespace mgral::runtime
