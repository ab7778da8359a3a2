#include "server/rpc/label_messages.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {
namespace {

app::LabelsInput ToLabelsInput(const mgral::v1::NewLabels& message, const std::string& pool_id) {
  app::LabelsInput labels;
  labels.image_id = message.image_id();
  labels.reject_reason = message.reject_reason();
  labels.boxes.reserve(message.boxes_size());
  for (const mgral::v1::Box& box : message.boxes()) {
    labels.boxes.push_back(ToBoxInput(box));
  }
  if (message.use() != mgral::v1::IMAGE_USE_UNSPECIFIED) {
    const auto use = ToImageUse(message.use(), "use");
    if (use.ok()) {
      labels.use = *use;
    } else {
      labels.problem = use.status();
    }
  }
  if (!message.batch().empty()) {
    const auto batch = ParseChildName(message.batch(), "batches", "batch");
    if (!batch.ok()) {
      labels.problem = batch.status();
    } else if (batch->pool_id != pool_id) {
      labels.problem = base::InvalidField("batch", "is a batch of another pool");
    } else {
      labels.batch_id = batch->id;
    }
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::vector<app::LabelsInput>> ToLabelsInputs(
    const google::protobuf::RepeatedPtrField<mgral::v1::NewLabels>& labels,
    const std::string& pool_id) {
  if (labels.size() > base::kMaxBatchLabels) {
    return base::InvalidField("labels",
                              absl::StrCat("has the labels of ", labels.size(), " images; at most ",
                                           base::kMaxBatchLabels, " are allowed at once"));
  }
  std::vector<app::LabelsInput> inputs;
  inputs.reserve(labels.size());
  for (const mgral::v1::NewLabels& one : labels) inputs.push_back(ToLabelsInput(one, pool_id));
  return inputs;
}

void FromLabels(const domain::Labels& labels, const domain::Pool& pool,
                mgral::v1::Labels* message) {
  message->set_image_id(labels.image_id);
  message->set_revision(labels.revision);
  for (const domain::Box& box : labels.boxes) FromBox(box, pool.classes, message->add_boxes());
  SetTimestamp(labels.create_time, message->mutable_create_time());
  message->set_late(labels.late);
  if (!labels.batch_id.empty()) {
    message->set_batch(ChildName(pool.pool_id, "batches", labels.batch_id));
  }
}

}  // namespace mgral::rpc
