#include "server/app/ingest_labels.h"

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/field_errors.h"
#include "server/app/parallel.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

using domain::Box;
using domain::Image;
using domain::NewLabels;

// x_min + width may miss the image's width by what rounding costs, in pixels.
constexpr double kRounding = 1e-6;

// An edge of a box, in a message.
std::string Pixels(double value) { return absl::StrCat(value); }

// The numbers of one box, the size of its image left aside.
void CheckNumbers(const BoxInput& box, const std::string& prefix, FieldErrors* errors) {
  const std::pair<const char*, double> numbers[] = {
      {"x_min", box.x_min}, {"y_min", box.y_min}, {"width", box.width}, {"height", box.height}};
  for (const auto& [name, value] : numbers) {
    const bool size = name[0] == 'w' || name[0] == 'h';
    if (!std::isfinite(value)) {
      errors->Add(prefix + name, absl::StrCat("is ", value, ": it must be a finite number"));
    } else if (size && value <= 0) {
      errors->Add(prefix + name, absl::StrCat("is ", value, ": it must be positive"));
    } else if (!size && value < 0) {
      errors->Add(prefix + name, absl::StrCat("is ", value, ": it may not be negative"));
    }
  }
}

void CheckInside(const BoxInput& box, int width, int height, const std::string& prefix,
                 FieldErrors* errors) {
  if (box.x_min + box.width > width + kRounding) {
    errors->Add(prefix + "width",
                absl::StrCat("x_min + width is ", Pixels(box.x_min + box.width),
                             ", outside the image of ", width, " x ", height, " pixels"));
  }
  if (box.y_min + box.height > height + kRounding) {
    errors->Add(prefix + "height",
                absl::StrCat("y_min + height is ", Pixels(box.y_min + box.height),
                             ", outside the image of ", width, " x ", height, " pixels"));
  }
}

// Classes and numbers. Fills in `boxes`.
void CheckContent(const LabelsInput& input, const domain::Pool& pool, const ClassIndex& classes,
                  std::vector<Box>* boxes, FieldErrors* errors) {
  const std::string reason = TextProblem(input.reject_reason, base::kMaxReasonBytes);
  if (!reason.empty()) errors->Add("reject_reason", reason);
  if (!input.reject_reason.empty() && !input.boxes.empty()) {
    errors->Add("reject_reason", "a rejected image may not have boxes");
  }
  const auto examine = [&](const BoxInput& box, const std::string& prefix, int class_index) {
    CheckNumbers(box, prefix, errors);
    Box good;
    good.x_min = box.x_min;
    good.y_min = box.y_min;
    good.width = box.width;
    good.height = box.height;
    good.class_index = class_index;
    good.ignore = box.ignore;
    boxes->push_back(good);
  };
  ForEachBox(input.boxes, base::kMaxBoxesPerImage, pool.classes, classes, errors, examine);
}

// Everything but the image. Fills in `row`; `seen` has the images of labels before these.
absl::Status CheckWithoutImage(const LabelsInput& input, const domain::Pool& pool,
                               const ClassIndex& classes, std::set<std::string>* seen,
                               NewLabels* row) {
  FieldErrors errors;
  const std::string id_problem = ImageIdProblem(input.image_id);
  if (!id_problem.empty()) {
    errors.Add("image_id", id_problem);
  } else if (!seen->insert(input.image_id).second) {
    errors.Add("image_id",
               absl::StrCat(base::Quoted(input.image_id), " is listed twice in this call"));
  }
  if (!input.problem.ok()) errors.AddStatus("", input.problem);
  CheckContent(input, pool, classes, &row->boxes, &errors);
  row->image_id = input.image_id;
  row->reject_reason = input.reject_reason;
  row->use = input.use;
  row->batch_id = input.batch_id;
  return errors.ToStatus();
}

// `image` must be the one that the labels are for. Its size is read, and put in `row`, where it is
// not known yet and where the file may be another by now: that of a rejected image.
absl::Status CheckAgainstImage(const domain::CallContext& call, const LabelsInput& input,
                               const Image& image, domain::ImageLoader* loader, NewLabels* row) {
  const bool unknown = image.width == 0 || image.height == 0;
  const bool back = image.state == domain::ImageState::kRejected && input.reject_reason.empty();
  if (input.boxes.empty() && !back) return absl::OkStatus();
  int width = image.width, height = image.height;
  if (unknown || back) {
    const auto header = loader->ReadHeader(call, image.source);
    if (header.ok()) {
      width = row->width = header->width;
      height = row->height = header->height;
    } else if (unknown && !input.boxes.empty()) {
      if (!IsItemError(header.status())) return header.status();
      return base::InvalidField(
          "image_id", absl::StrCat("the image's size cannot be read: ", header.status().message()));
    }
  }
  FieldErrors errors;
  for (size_t b = 0; b < input.boxes.size() && !errors.full(); ++b) {
    CheckInside(input.boxes[b], width, height, absl::StrCat("boxes[", b, "]."), &errors);
  }
  return errors.ToStatus();
}

}  // namespace

absl::StatusOr<std::vector<IngestLabels::Examined>> IngestLabels::Examine(
    const domain::CallContext& call, const domain::Pool& pool,
    absl::Span<const LabelsInput> labels) {
  const ClassIndex classes = IndexOfClasses(pool.classes);
  std::vector<Examined> examined(labels.size());
  std::set<std::string> ids;
  for (size_t i = 0; i < labels.size(); ++i) {
    examined[i].status = CheckWithoutImage(labels[i], pool, classes, &ids, &examined[i].labels);
  }

  MGRAL_ASSIGN_OR_RETURN(
      const auto registered,
      pools_->GetImages(pool.key, std::vector<std::string>(ids.begin(), ids.end())));
  std::map<std::string, const Image*> image_of;
  for (const Image& image : registered) image_of[image.image_id] = &image;
  ImagesToInspect to_inspect;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!examined[i].status.ok()) continue;
    const std::string& id = labels[i].image_id;
    const auto image = image_of.find(id);
    if (image == image_of.end()) {
      examined[i].status = base::InvalidField(
          "image_id", absl::StrCat(base::Quoted(id), " is not registered in pools/", pool.pool_id));
      continue;
    }
    const bool fetched = image->second->source.kind == domain::ImageSource::Kind::kUri;
    (fetched ? to_inspect.fetched : to_inspect.local).push_back(i);
  }
  const absl::Status inspected = InspectEach(call, to_inspect, threads_, [&](size_t i) {
    const Image& image = *image_of.at(labels[i].image_id);
    examined[i].status = CheckAgainstImage(call, labels[i], image, loader_, &examined[i].labels);
    return examined[i].status;
  });
  if (!inspected.ok()) return inspected;
  return examined;
}

absl::StatusOr<domain::LabelStore::Ingested> IngestLabels::IngestAll(
    const domain::CallContext& call, const domain::Pool& pool, absl::Span<const LabelsInput> labels,
    const domain::RequestKey& request) {
  MGRAL_ASSIGN_OR_RETURN(auto examined, Examine(call, pool, labels));
  FieldErrors errors;
  std::vector<NewLabels> rows;
  for (size_t i = 0; i < labels.size(); ++i) {
    Examined& one = examined[i];
    if (!one.status.ok()) errors.AddStatus(absl::StrCat("labels[", i, "]."), one.status);
    rows.push_back(std::move(one.labels));
  }
  if (!errors.empty()) return errors.ToStatus();
  return labels_->IngestLabels(pool.key, rows, request);
}

absl::StatusOr<IngestLabels::Chunk> IngestLabels::IngestValid(
    const domain::CallContext& call, const domain::Pool& pool,
    absl::Span<const LabelsInput> labels) {
  MGRAL_ASSIGN_OR_RETURN(const auto examined, Examine(call, pool, labels));
  Chunk chunk;
  std::vector<size_t> good;
  for (size_t i = 0; i < labels.size(); ++i) {
    const absl::Status& status = examined[i].status;
    if (status.ok()) {
      good.push_back(i);
    } else {
      chunk.refused.push_back(RefusalOf(i, status));
    }
  }
  const absl::Status stored =
      StoreValid("labels", std::move(good), &chunk.refused, [&](const std::vector<size_t>& left) {
        std::vector<NewLabels> rows;
        for (const size_t i : left) rows.push_back(examined[i].labels);
        const auto counts = labels_->IngestLabels(pool.key, rows, {});
        if (counts.ok()) chunk.counts = *counts;
        return counts.status();
      });
  if (!stored.ok()) return stored;
  return chunk;
}

}  // namespace mgral::app
