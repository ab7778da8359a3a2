#include "server/rpc/pool_messages.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {

absl::StatusOr<domain::Pool> ToPool(const mgral::v1::CreatePoolRequest& request) {
  const mgral::v1::Pool& message = request.pool();
  domain::Pool pool;
  pool.pool_id = request.pool_id();
  pool.display_name = message.display_name();
  pool.classes.assign(message.classes().begin(), message.classes().end());
  pool.detector.profile = message.detector().profile();
  pool.detector.warm_start = message.detector().warm_start();
  pool.detector.training_steps = message.detector().training_steps();
  pool.detector.input_size = message.detector().input_size();
  pool.detector.trunk = message.detector().trunk();
  pool.selection.strategy = message.selection().strategy();
  pool.selection.batch_size = message.selection().batch_size();
  pool.selection.probes = message.selection().probes();
  pool.selection.replay_probes = message.selection().replay_probes();
  pool.selection.seed = message.selection().seed();
  pool.selection.seconds_per_image = message.selection().seconds_per_image();
  pool.selection.seconds_per_box = message.selection().seconds_per_box();
  if (message.selection().has_uniform_share()) {
    pool.selection.uniform_share = message.selection().uniform_share();
  }
  pool.selection.probe_seconds = message.selection().probe_seconds();
  switch (message.image_orientation()) {
    case mgral::v1::IMAGE_ORIENTATION_UNSPECIFIED:
    case mgral::v1::IMAGE_ORIENTATION_EXIF:
      pool.applies_exif_orientation = true;
      break;
    case mgral::v1::IMAGE_ORIENTATION_STORED:
      pool.applies_exif_orientation = false;
      break;
    default:
      return base::InvalidField(
          "pool.image_orientation",
          absl::StrCat("unknown image orientation ", message.image_orientation()));
  }
  return pool;
}

void FromPool(const domain::Pool& pool, mgral::v1::Pool* message) {
  message->set_name(PoolName(pool.pool_id));
  message->set_display_name(pool.display_name);
  for (const std::string& name : pool.classes) message->add_classes(name);
  mgral::v1::DetectorSettings* detector = message->mutable_detector();
  detector->set_profile(pool.detector.profile);
  detector->set_warm_start(pool.detector.warm_start);
  detector->set_training_steps(pool.detector.training_steps);
  detector->set_input_size(pool.detector.input_size);
  detector->set_trunk(pool.detector.trunk);
  mgral::v1::SelectionSettings* selection = message->mutable_selection();
  selection->set_strategy(pool.selection.strategy);
  selection->set_batch_size(pool.selection.batch_size);
  selection->set_probes(pool.selection.probes);
  selection->set_replay_probes(pool.selection.replay_probes);
  selection->set_seed(pool.selection.seed);
  selection->set_seconds_per_image(pool.selection.seconds_per_image);
  selection->set_seconds_per_box(pool.selection.seconds_per_box);
  selection->set_uniform_share(pool.selection.uniform_share);
  selection->set_probe_seconds(pool.selection.probe_seconds);
  message->set_image_orientation(pool.applies_exif_orientation
                                     ? mgral::v1::IMAGE_ORIENTATION_EXIF
                                     : mgral::v1::IMAGE_ORIENTATION_STORED);
  SetTimestamp(pool.create_time, message->mutable_create_time());
  mgral::v1::PoolCounts* counts = message->mutable_counts();
  counts->set_unlabeled(pool.counts.unlabeled);
  counts->set_leased(pool.counts.leased);
  counts->set_labeled(pool.counts.labeled);
  counts->set_rejected(pool.counts.rejected);
  counts->set_validation(pool.counts.validation);
  counts->set_training(pool.counts.training);
  if (pool.published_model_version) {
    message->set_published_model(ModelName(pool.pool_id, *pool.published_model_version));
  }
  if (pool.start_model_version) {
    message->set_start_model(ModelName(pool.pool_id, *pool.start_model_version));
  }
}

absl::StatusOr<std::vector<app::ImageInput>> ToImageInputs(
    const google::protobuf::RepeatedPtrField<mgral::v1::NewImage>& images) {
  if (images.size() > base::kMaxBatchRegister) {
    return base::InvalidField(
        "images", absl::StrCat("has ", images.size(), " images; at most ", base::kMaxBatchRegister,
                               " are allowed at once"));
  }
  std::vector<app::ImageInput> inputs;
  inputs.reserve(images.size());
  for (const mgral::v1::NewImage& image : images) {
    inputs.push_back(ToImageInput(image.image_id(), image.source()));
    const auto use = ToImageUse(image.use(), "use");
    if (use.ok()) {
      inputs.back().use = *use;
    } else {
      inputs.back().problem = use.status();
    }
  }
  return inputs;
}

absl::StatusOr<app::Verification> ToVerification(mgral::v1::Verification verification) {
  switch (verification) {
    case mgral::v1::VERIFICATION_UNSPECIFIED:
    case mgral::v1::VERIFICATION_DECODE:
      return app::Verification::kDecode;
    case mgral::v1::VERIFICATION_HEADER:
      return app::Verification::kHeader;
    case mgral::v1::VERIFICATION_NONE:
      return app::Verification::kNone;
    default:
      return base::InvalidField("verification",
                                absl::StrCat("unknown verification ", verification));
  }
}

}  // namespace mgral::rpc
