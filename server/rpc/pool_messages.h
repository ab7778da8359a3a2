#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "mgral/v1/pool_service.pb.h"
#include "server/app/image_input.h"
#include "server/app/register_images.h"
#include "server/domain/pool.h"

namespace mgral::rpc {

// Errors: INVALID_ARGUMENT on "pool.image_orientation".
absl::StatusOr<domain::Pool> ToPool(const mgral::v1::CreatePoolRequest& request);
void FromPool(const domain::Pool& pool, mgral::v1::Pool* message);

// The images keep referring to the messages' bytes. Errors: INVALID_ARGUMENT on "images" when there
// are too many; what is wrong with one image is reported in its `problem`.
absl::StatusOr<std::vector<app::ImageInput>> ToImageInputs(
    const google::protobuf::RepeatedPtrField<mgral::v1::NewImage>& images);
// Errors: INVALID_ARGUMENT on "verification".
absl::StatusOr<app::Verification> ToVerification(mgral::v1::Verification verification);

}  // namespace mgral::rpc
