#include "server/cycle/record_messages.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace mgral::cycle {

absl::StatusOr<std::string> Serialize(const Record& record) {
  if (record.ByteSizeLong() > std::numeric_limits<int>::max()) {
    // Not RESOURCE_EXHAUSTED: trying again does not make it smaller.
    return absl::FailedPreconditionError(
        "what a stage of the cycle leaves for the next is above 2 GiB");
  }
  return record.SerializeAsString();
}

absl::Status Broken(const char* what) {
  return absl::DataLossError(absl::StrCat("a stored record of the cycle is not ", what,
                                          ", or not all of it: the artifact folder or the database "
                                          "was changed, or a newer release wrote it"));
}

absl::StatusOr<Record> ParseRecord(absl::string_view bytes, Record::RecordCase kind,
                                   const char* what) {
  Record record;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      record.record_case() != kind) {
    return Broken(what);
  }
  return record;
}

void SetImage(const domain::Image& image, Record::Image* out) {
  out->set_key(image.key);
  out->set_image_id(image.image_id);
  out->set_source(static_cast<Record::Image::Source>(image.source.kind));
  out->set_location(image.source.location);
  out->set_oriented(image.source.oriented);
  out->set_width(image.width);
  out->set_height(image.height);
  out->set_label_revision(image.label_revision);
}

absl::StatusOr<domain::Image> GetImage(const Record::Image& in) {
  if (in.source() == Record::Image::SOURCE_UNSPECIFIED ||
      !Record::Image::Source_IsValid(in.source()))
    return Broken("an image");
  domain::Image image;
  image.key = in.key();
  image.image_id = in.image_id();
  image.source.kind = static_cast<domain::ImageSource::Kind>(in.source());
  image.source.location = in.location();
  image.source.oriented = in.oriented();
  image.width = in.width();
  image.height = in.height();
  image.label_revision = in.label_revision();
  return image;
}

absl::StatusOr<std::vector<domain::Image>> GetImages(const ImageMessages& in) {
  std::vector<domain::Image> images;
  images.reserve(in.size());
  for (const Record::Image& each : in) {
    MGRAL_ASSIGN_OR_RETURN(domain::Image image, GetImage(each));
    images.push_back(std::move(image));
  }
  return images;
}

void SetBoxes(const std::vector<domain::Box>& boxes, BoxMessages* out) {
  for (const domain::Box& box : boxes) {
    Record::Box* const each = out->Add();
    each->set_x_min(box.x_min);
    each->set_y_min(box.y_min);
    each->set_width(box.width);
    each->set_height(box.height);
    each->set_class_index(box.class_index);
    each->set_ignore(box.ignore);
    each->set_score(box.score);
  }
}

absl::StatusOr<std::vector<domain::Box>> GetBoxes(const BoxMessages& in) {
  std::vector<domain::Box> boxes;
  boxes.reserve(in.size());
  for (const Record::Box& box : in) {
    if (box.class_index() < 0) return Broken("a list of boxes");
    boxes.push_back({box.x_min(), box.y_min(), box.width(), box.height(), box.class_index(),
                     box.ignore(), box.score()});
  }
  return boxes;
}

void SetGain(const domain::RealizedGain& gain, Record::RealizedGain* out) {
  SetAll(gain.features, out->mutable_features());
  SetAll(gain.class_ap, out->mutable_class_ap());
  SetAll(gain.class_gain, out->mutable_class_gain());
}

domain::RealizedGain GetGain(const Record::RealizedGain& in) {
  return {GetAll<double>(in.features()), GetAll<double>(in.class_ap()),
          GetAll<double>(in.class_gain())};
}

}  // namespace mgral::cycle
