#include "server/rpc/cycle_messages.h"

#include <algorithm>
#include <cmath>

#include "server/rpc/request_fields.h"
#include "server/rpc/resource_names.h"

namespace mgral::rpc {
namespace {

void FromReport(const domain::TableReport& report, mgral::v1::TableReport* message) {
  message->set_probes(report.probes);
  message->set_replay_probes(report.replay_probes);
  message->set_cells(report.cells);
  message->set_fidelity(report.fidelity.value_or(0));
  message->set_has_fidelity(report.fidelity.has_value());
  message->set_response_fidelity(report.response_fidelity);
  message->set_seconds_per_probe(report.seconds_per_probe);
  message->set_seconds_per_lookup(report.seconds_per_lookup);
  message->set_selector_gain(report.selector_gain);
  message->set_greedy_gain(report.greedy_gain);
  message->set_test_retest(report.test_retest);
  for (const domain::FeatureWeight& weight : report.weights) {
    const auto f = static_cast<size_t>(message->weights_size());
    mgral::v1::FeatureWeight* one = message->add_weights();
    one->set_feature(weight.feature);
    one->set_weight(weight.weight);
    for (const double value : weight.covariance) one->add_covariance(value);
    if (f < weight.covariance.size()) {
      one->set_standard_deviation(std::sqrt(std::max(0.0, weight.covariance[f])));
    }
    one->set_prior_weight(weight.prior_weight);
    one->set_prior_standard_deviation(weight.prior_sd);
    one->set_random_gain(weight.random_gain);
  }
  message->set_weights_fitted(report.weights_fitted);
  message->set_kappa(report.kappa);
  message->set_kappa_standard_deviation(report.kappa_sd);
  message->set_residual_share(report.residual_share);
  message->set_level(report.level);
}

void FromAccuracy(const domain::Accuracy& accuracy, const std::vector<std::string>& classes,
                  mgral::v1::Accuracy* message) {
  message->set_map50(accuracy.map50);
  message->set_map50_11_point(accuracy.map50_11_point);
  message->set_map(accuracy.map);
  message->set_images(accuracy.images);
  for (size_t c = 0; c < accuracy.classes.size() && c < classes.size(); ++c) {
    mgral::v1::ClassAccuracy* one = message->add_classes();
    one->set_class_name(classes[c]);
    one->set_ap50(accuracy.classes[c].ap50);
    one->set_ap50_11_point(accuracy.classes[c].ap50_11_point);
    one->set_ap(accuracy.classes[c].ap);
    one->set_ground_truth_boxes(accuracy.classes[c].ground_truth_boxes);
  }
}

}  // namespace

void FromCycle(const domain::Cycle& cycle, const std::string& pool_id, mgral::v1::Cycle* message) {
  message->set_name(ChildName(pool_id, "cycles", cycle.cycle_id));
  // The numbers are those of the proto.
  message->set_state(static_cast<mgral::v1::CycleState>(cycle.state));
  message->set_stage(static_cast<mgral::v1::CycleStage>(cycle.stage));
  for (const domain::StageProgress& progress : cycle.stages) {
    mgral::v1::StageProgress* one = message->add_stages();
    one->set_stage(static_cast<mgral::v1::CycleStage>(progress.stage));
    one->set_fraction(progress.fraction);
    one->set_seconds(progress.seconds);
    for (const auto& [name, value] : progress.metrics) (*one->mutable_metrics())[name] = value;
  }
  SetTimestamp(cycle.create_time, message->mutable_create_time());
  if (cycle.end_time) SetTimestamp(*cycle.end_time, message->mutable_end_time());
  if (cycle.eta) SetTimestamp(*cycle.eta, message->mutable_eta());
  message->set_training_images(cycle.training_images);
  message->set_validation_images(cycle.validation_images);
  message->set_map50(cycle.map50);
  message->set_map(cycle.map);
  if (cycle.model_version) message->set_model(ModelName(pool_id, *cycle.model_version));
  message->set_error(cycle.error);
  message->set_predicted_gain(cycle.predicted_gain);
  message->set_predicted_gain_standard_error(cycle.predicted_gain_se);
  message->set_realised_gain(cycle.realized_gain.value_or(0));
  message->set_has_realised_gain(cycle.realized_gain.has_value());
  if (cycle.table) FromReport(*cycle.table, message->mutable_table());
  for (const domain::LeftOutImage& image : cycle.left_out) {
    mgral::v1::LeftOutImage* one = message->add_left_out();
    one->set_image(ChildName(pool_id, "images", image.image_id));
    one->set_reason(image.reason);
  }
  message->set_left_out_count(cycle.left_out_count);
}

void FromModel(const domain::Model& model, const domain::Pool& pool, mgral::v1::Model* message) {
  message->set_name(ModelName(pool.pool_id, model.version));
  if (!model.cycle_id.empty()) {
    message->set_cycle(ChildName(pool.pool_id, "cycles", model.cycle_id));
  }
  message->set_imported_from(model.imported_from);
  message->set_version(model.version);
  message->set_published(model.published);
  message->set_profile(model.profile);
  message->set_parameters(model.parameters);
  message->set_weights_sha256(model.weights_sha256);
  FromAccuracy(model.validation, pool.classes, message->mutable_validation());
  SetTimestamp(model.create_time, message->mutable_create_time());
  message->set_training_images(model.training_images);
  message->set_external_model(model.external_model);
}

}  // namespace mgral::rpc
