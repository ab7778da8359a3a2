#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "mgral/v1/label_service.pb.h"
#include "server/app/ingest_labels.h"
#include "server/domain/labels.h"
#include "server/domain/pool.h"

namespace mgral::rpc {

// Errors: INVALID_ARGUMENT on "labels" when there are too many; what is wrong with the labels of
// one image (an unknown use, a batch of another pool) is reported in its `problem`.
absl::StatusOr<std::vector<app::LabelsInput>> ToLabelsInputs(
    const google::protobuf::RepeatedPtrField<mgral::v1::NewLabels>& labels,
    const std::string& pool_id);

void FromLabels(const domain::Labels& labels, const domain::Pool& pool, mgral::v1::Labels* message);

}  // namespace mgral::rpc
