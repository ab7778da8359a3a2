#include "server/rpc/image_messages.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

app::ImageInput ToImageInput(const std::string& image_id, const mgral::v1::ImageSource& message) {
  using Given = app::ImageInput::Given;
  app::ImageInput image;
  image.image_id = image_id;
  switch (message.source_case()) {
    case mgral::v1::ImageSource::kPath:
      image.given = Given::kPath;
      image.location = message.path();
      break;
    case mgral::v1::ImageSource::kUri:
      image.given = Given::kUri;
      image.location = message.uri();
      break;
    case mgral::v1::ImageSource::kData:
      image.given = Given::kData;
      image.data = message.data();
      break;
    case mgral::v1::ImageSource::SOURCE_NOT_SET:
      break;
  }
  return image;
}

absl::StatusOr<domain::ImageUse> ToImageUse(mgral::v1::ImageUse use, const std::string& field) {
  switch (use) {
    case mgral::v1::IMAGE_USE_UNSPECIFIED:
    case mgral::v1::IMAGE_USE_TRAINING:
      return domain::ImageUse::kTraining;
    case mgral::v1::IMAGE_USE_VALIDATION:
      return domain::ImageUse::kValidation;
    default:
      return base::InvalidField(field, absl::StrCat("unknown use ", use));
  }
}

mgral::v1::ImageState FromImageState(domain::ImageState state) {
  return static_cast<mgral::v1::ImageState>(state);  // the same numbers
}

void FromImage(const domain::Image& image, const std::string& pool_id, mgral::v1::Image* message) {
  message->set_name(ChildName(pool_id, "images", image.image_id));
  message->set_image_id(image.image_id);
  message->set_state(FromImageState(image.state));
  message->set_use(static_cast<mgral::v1::ImageUse>(image.use));
  message->set_width(image.width);
  message->set_height(image.height);
  if (image.source.kind == domain::ImageSource::Kind::kPath) {
    message->set_path(image.source.location);
  } else if (image.source.kind == domain::ImageSource::Kind::kUri) {
    message->set_uri(image.source.location);
  }
  message->set_reject_reason(image.reject_reason);
  SetTimestamp(image.create_time, message->mutable_create_time());
  message->set_label_revision(image.label_revision);
  message->set_note(image.note);
}

app::BoxInput ToBoxInput(const mgral::v1::Box& message) {
  return {message.x_min(),      message.y_min(),  message.width(), message.height(),
          message.class_name(), message.ignore(), message.score()};
}

void FromBox(const domain::Box& box, const std::vector<std::string>& classes,
             mgral::v1::Box* message) {
  message->set_x_min(box.x_min);
  message->set_y_min(box.y_min);
  message->set_width(box.width);
  message->set_height(box.height);
  if (box.class_index >= 0 && static_cast<size_t>(box.class_index) < classes.size()) {
    message->set_class_name(classes[box.class_index]);
  }
  message->set_ignore(box.ignore);
  message->set_score(box.score);
}

}  // namespace mgral::rpc
