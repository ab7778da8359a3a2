#include "server/rpc/batch_messages.h"

#include <algorithm>
#include <numeric>

#include "server/app/query_batch.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {
namespace {

constexpr size_t kMaxClassGains = 3;  // reported per image

void FromExpectedGain(const std::vector<float>& gain, const std::vector<std::string>& classes,
                      mgral::v1::BatchImage* message) {
  if (gain.size() != classes.size()) return;
  std::vector<size_t> order(gain.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t count = std::min(kMaxClassGains, order.size());
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](size_t a, size_t b) { return gain[a] > gain[b]; });
  for (size_t i = 0; i < count; ++i) {
    mgral::v1::ClassGain* one = message->add_expected_gain();
    one->set_class_name(classes[order[i]]);
    one->set_mean(gain[order[i]]);
  }
}

}  // namespace

void FromGain(const domain::Gain& gain, const std::vector<std::string>& classes,
              mgral::v1::Gain* message) {
  message->set_mean(gain.mean);
  message->set_standard_error(gain.standard_error);
  for (size_t c = 0; c < gain.class_mean.size() && c < classes.size(); ++c) {
    mgral::v1::ClassGain* one = message->add_classes();
    one->set_class_name(classes[c]);
    one->set_mean(gain.class_mean[c]);
    if (c < gain.class_standard_error.size()) {
      one->set_standard_error(gain.class_standard_error[c]);
    }
  }
}

void FromBatch(const domain::Batch& batch, const domain::Pool& pool, mgral::v1::Batch* message) {
  message->set_name(ChildName(pool.pool_id, "batches", batch.batch_id));
  message->set_state(static_cast<mgral::v1::BatchState>(batch.state));  // the same numbers
  for (const domain::BatchImage& image : batch.images) {
    mgral::v1::BatchImage* one = message->add_images();
    one->set_image_id(image.image_id);
    one->set_rank(image.rank);
    one->set_cell(image.cell);
    FromExpectedGain(image.expected_gain, pool.classes, one);
    one->set_reason(app::ReasonFor(batch, image, pool.classes));
    for (const domain::Box& box : image.predictions) {
      FromBox(box, pool.classes, one->add_predictions());
    }
    one->set_state(FromImageState(image.state));
    one->set_uniform(image.uniform);
  }
  message->set_strategy(batch.strategy);
  message->set_strategy_note(batch.strategy_note);
  if (batch.model_version) message->set_model(ModelName(pool.pool_id, *batch.model_version));
  message->set_table_version(batch.table_version);
  if (batch.estimated_gain) {
    FromGain(*batch.estimated_gain, pool.classes, message->mutable_estimated_gain());
  }
  if (batch.estimated_cost) {
    message->mutable_estimated_cost()->set_amount(*batch.estimated_cost);
    message->mutable_estimated_cost()->set_unit(pool.selection.cost().in_seconds
                                                    ? mgral::v1::COST_UNIT_SECONDS
                                                    : mgral::v1::COST_UNIT_BOXES);
  }
  message->set_annotator(batch.annotator);
  SetTimestamp(batch.create_time, message->mutable_create_time());
  SetTimestamp(batch.expire_time, message->mutable_expire_time());
  if (batch.realized_gain) {
    FromGain(*batch.realized_gain, pool.classes, message->mutable_realised_gain());
  }
}

}  // namespace mgral::rpc
