#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mgral/v1/image.pb.h"
#include "server/app/box_input.h"
#include "server/app/image_input.h"
#include "server/domain/image.h"
#include "server/domain/labels.h"

// Messages of image.proto to and from the plain types.
namespace mgral::rpc {

// `message` must outlive the result: its bytes are not copied.
app::ImageInput ToImageInput(const std::string& image_id, const mgral::v1::ImageSource& message);
// Errors: INVALID_ARGUMENT on `field` for an unknown use.
absl::StatusOr<domain::ImageUse> ToImageUse(mgral::v1::ImageUse use, const std::string& field);
mgral::v1::ImageState FromImageState(domain::ImageState state);

void FromImage(const domain::Image& image, const std::string& pool_id, mgral::v1::Image* message);
app::BoxInput ToBoxInput(const mgral::v1::Box& message);
void FromBox(const domain::Box& box, const std::vector<std::string>& classes,
             mgral::v1::Box* message);

}  // namespace mgral::rpc
