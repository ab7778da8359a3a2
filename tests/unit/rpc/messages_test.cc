#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/base/errors.h"
#include "server/rpc/batch_messages.h"
#include "server/rpc/cycle_messages.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/label_messages.h"
#include "server/rpc/pool_messages.h"

namespace mgral::rpc {
namespace {

// The converters cast between these numbers.
static_assert(static_cast<int>(domain::ImageState::kRejected) == mgral::v1::IMAGE_STATE_REJECTED);
static_assert(static_cast<int>(domain::ImageState::kUnlabeled) == mgral::v1::IMAGE_STATE_UNLABELED);
static_assert(static_cast<int>(domain::ImageUse::kValidation) == mgral::v1::IMAGE_USE_VALIDATION);
static_assert(static_cast<int>(domain::BatchState::kLeased) == mgral::v1::BATCH_STATE_LEASED);
static_assert(static_cast<int>(domain::BatchState::kExpired) == mgral::v1::BATCH_STATE_EXPIRED);
static_assert(static_cast<int>(domain::CycleState::kQueued) == mgral::v1::CYCLE_STATE_QUEUED);
static_assert(static_cast<int>(domain::CycleState::kCanceled) == mgral::v1::CYCLE_STATE_CANCELLED);
static_assert(static_cast<int>(domain::CycleStage::kTrain) == mgral::v1::CYCLE_STAGE_TRAIN);
static_assert(static_cast<int>(domain::CycleStage::kPublish) == mgral::v1::CYCLE_STAGE_PUBLISH);

domain::Pool Cats() {
  domain::Pool pool;
  pool.pool_id = "cats";
  pool.classes = {"a", "b", "c", "d"};
  return pool;
}

TEST(BatchMessageTest, TellsTheThreeLargestGainsAndTheReason) {
  domain::Batch batch;
  batch.batch_id = "7";
  batch.strategy = "mgral";
  batch.model_version = 2;
  batch.table_version = 1;
  domain::BatchImage image;
  image.image_id = "x";
  image.cell = 3;
  image.expected_gain = {0.1f, -0.5f, 0.4f, 0.2f};
  image.predictions = {{1, 2, 3, 4, 2, false, 0.9}};
  batch.images = {image};
  mgral::v1::Batch message;
  FromBatch(batch, Cats(), &message);
  EXPECT_EQ(message.name(), "pools/cats/batches/7");
  EXPECT_EQ(message.model(), "pools/cats/models/2");
  EXPECT_FALSE(message.has_estimated_gain());
  ASSERT_EQ(message.images_size(), 1);
  const mgral::v1::BatchImage& told = message.images(0);
  ASSERT_EQ(told.expected_gain_size(), 3);
  EXPECT_EQ(told.expected_gain(0).class_name(), "c");
  EXPECT_EQ(told.expected_gain(2).class_name(), "a");
  EXPECT_EQ(told.predictions(0).class_name(), "c");
  EXPECT_FALSE(told.reason().empty());
}

TEST(BatchMessageTest, TellsWhatWasDrawnAtRandomAndTheCostWithItsUnit) {
  domain::Batch batch;
  batch.images.resize(2);
  batch.images[1].uniform = true;
  domain::Pool pool = Cats();
  mgral::v1::Batch message;
  FromBatch(batch, pool, &message);
  EXPECT_FALSE(message.images(0).uniform());
  EXPECT_TRUE(message.images(1).uniform());
  EXPECT_FALSE(message.has_estimated_cost());
  batch.estimated_cost = 12.5;
  FromBatch(batch, pool, &message);
  EXPECT_EQ(message.estimated_cost().amount(), 12.5);
  EXPECT_EQ(message.estimated_cost().unit(), mgral::v1::COST_UNIT_BOXES);
  pool.selection.seconds_per_image = 1;
  FromBatch(batch, pool, &message);
  EXPECT_EQ(message.estimated_cost().unit(), mgral::v1::COST_UNIT_SECONDS);
}

TEST(BatchMessageTest, WithoutATableThereAreNoGains) {
  domain::Batch batch;
  batch.images.resize(1);
  mgral::v1::Batch message;
  FromBatch(batch, Cats(), &message);
  EXPECT_TRUE(message.model().empty());
  EXPECT_EQ(message.images(0).expected_gain_size(), 0);
  EXPECT_EQ(message.images(0).cell(), -1);
}

TEST(ImageMessageTest, AnArtifactShowsNeitherPathNorUri) {
  domain::Image image;
  image.image_id = "x";
  image.source = {domain::ImageSource::Kind::kArtifact, std::string(64, 'f')};
  mgral::v1::Image message;
  FromImage(image, "cats", &message);
  EXPECT_EQ(message.name(), "pools/cats/images/x");
  EXPECT_TRUE(message.path().empty());
  EXPECT_TRUE(message.uri().empty());
}

TEST(ImageMessageTest, AClassThatIsNoneLeavesItsNameOut) {
  mgral::v1::Box message;
  FromBox({0, 0, 1, 1, 99, false, 0}, Cats().classes, &message);
  EXPECT_TRUE(message.class_name().empty());
}

TEST(ImageMessageTest, ShowsItsNote) {
  domain::Image image;
  image.note = "the decoder warned";
  mgral::v1::Image message;
  FromImage(image, "cats", &message);
  EXPECT_EQ(message.note(), "the decoder warned");
}

TEST(PoolMessageTest, ImagesAreTurnedUnlessAskedOtherwise) {
  mgral::v1::CreatePoolRequest request;
  const auto shown = [&] {
    mgral::v1::Pool message;
    FromPool(*ToPool(request), &message);
    return message.image_orientation();
  };
  EXPECT_EQ(shown(), mgral::v1::IMAGE_ORIENTATION_EXIF);
  request.mutable_pool()->set_image_orientation(mgral::v1::IMAGE_ORIENTATION_STORED);
  EXPECT_EQ(shown(), mgral::v1::IMAGE_ORIENTATION_STORED);
  request.mutable_pool()->set_image_orientation(static_cast<mgral::v1::ImageOrientation>(9));
  EXPECT_EQ(base::FieldViolations(ToPool(request).status()).at(0).field, "pool.image_orientation");
}

TEST(PoolMessageTest, CostsTheRandomShareAndTheTimeOfProbesAreShownAsTheyWereAskedFor) {
  mgral::v1::CreatePoolRequest request;
  const auto shown = [&] {
    mgral::v1::Pool message;
    FromPool(*ToPool(request), &message);
    return message.selection();
  };
  EXPECT_EQ(shown().seconds_per_image(), 0);
  EXPECT_EQ(shown().seconds_per_box(), 0);
  EXPECT_EQ(shown().uniform_share(), 0.15);
  mgral::v1::SelectionSettings* selection = request.mutable_pool()->mutable_selection();
  selection->set_seconds_per_image(12.5);
  selection->set_seconds_per_box(4);
  selection->set_uniform_share(0);
  selection->set_probe_seconds(60);
  EXPECT_EQ(shown().seconds_per_image(), 12.5);
  EXPECT_EQ(shown().seconds_per_box(), 4);
  EXPECT_EQ(shown().uniform_share(), 0);
  EXPECT_EQ(shown().probe_seconds(), 60);
}

TEST(PoolMessageTest, InputsKeepTheirOrderAndProblems) {
  mgral::v1::BatchRegisterImagesRequest request;
  request.add_images()->mutable_source()->set_path("a.png");
  request.add_images()->mutable_source()->set_data("bytes");
  request.add_images()->set_use(static_cast<mgral::v1::ImageUse>(9));
  const auto inputs = ToImageInputs(request.images());
  ASSERT_TRUE(inputs.ok());
  EXPECT_EQ((*inputs)[0].given, app::ImageInput::Given::kPath);
  EXPECT_EQ((*inputs)[1].data, "bytes");
  EXPECT_EQ((*inputs)[2].given, app::ImageInput::Given::kNothing);
  EXPECT_EQ(base::FieldViolations((*inputs)[2].problem)[0].field, "use");
  EXPECT_FALSE(ToVerification(static_cast<mgral::v1::Verification>(9)).ok());
}

TEST(LabelMessageTest, ABatchOfAnotherPoolIsTheItemsProblem) {
  mgral::v1::BatchIngestLabelsRequest request;
  request.add_labels()->set_batch("pools/cats/batches/3");
  request.add_labels()->set_batch("pools/dogs/batches/3");
  request.add_labels()->set_batch("3");
  const auto inputs = ToLabelsInputs(request.labels(), "cats");
  ASSERT_TRUE(inputs.ok());
  EXPECT_EQ((*inputs)[0].batch_id, "3");
  EXPECT_TRUE((*inputs)[0].problem.ok());
  EXPECT_FALSE((*inputs)[0].use.has_value());
  EXPECT_EQ(base::FieldViolations((*inputs)[1].problem)[0].field, "batch");
  EXPECT_EQ(base::FieldViolations((*inputs)[2].problem)[0].field, "batch");
}

TEST(CycleMessageTest, WhatIsUnknownIsMissing) {
  domain::Cycle cycle;
  cycle.cycle_id = "1";
  mgral::v1::Cycle message;
  FromCycle(cycle, "cats", &message);
  EXPECT_EQ(message.name(), "pools/cats/cycles/1");
  EXPECT_FALSE(message.has_table());
  EXPECT_FALSE(message.has_eta());
  EXPECT_FALSE(message.has_realised_gain());
  EXPECT_TRUE(message.model().empty());

  cycle.table = domain::TableReport();
  cycle.table->fidelity = 0.5;
  cycle.table->weights = {{"growth", 0.4, {0.09, 0.01}, 0.5, 0.2},
                          {"coverage", 0.1, {0.01, 0.04}, 0.2, 0.15, 0.07}};
  cycle.table->kappa_sd = 0.1;
  cycle.table->level = 3;
  cycle.realized_gain = -0.01;
  cycle.stages = {{domain::CycleStage::kProbe, 0.5, 2.0, {{"probes", 4}}}};
  FromCycle(cycle, "cats", &message);
  EXPECT_TRUE(message.table().has_fidelity());
  ASSERT_EQ(message.table().weights_size(), 2);
  EXPECT_EQ(message.table().weights(0).feature(), "growth");
  EXPECT_DOUBLE_EQ(message.table().weights(0).standard_deviation(), 0.3);
  EXPECT_DOUBLE_EQ(message.table().weights(1).standard_deviation(), 0.2);
  EXPECT_EQ(message.table().weights(1).covariance(0), 0.01);
  EXPECT_EQ(message.table().weights(1).prior_weight(), 0.2);
  EXPECT_EQ(message.table().weights(1).prior_standard_deviation(), 0.15);
  EXPECT_EQ(message.table().weights(1).random_gain(), 0.07);
  EXPECT_EQ(message.table().kappa_standard_deviation(), 0.1);
  EXPECT_EQ(message.table().level(), 3);
  EXPECT_FALSE(message.table().weights_fitted());
  EXPECT_TRUE(message.has_realised_gain());
  EXPECT_EQ(message.stages(0).stage(), mgral::v1::CYCLE_STAGE_PROBE);
  EXPECT_EQ(message.stages(0).metrics().at("probes"), 4);
}

TEST(ModelMessageTest, AClassWithoutGroundTruthIsNan) {
  domain::Model model;
  model.version = 2;
  model.cycle_id = "5";
  model.validation.classes.resize(4);
  model.validation.classes[1].ap50 = std::numeric_limits<double>::quiet_NaN();
  mgral::v1::Model message;
  FromModel(model, Cats(), &message);
  EXPECT_EQ(message.cycle(), "pools/cats/cycles/5");
  ASSERT_EQ(message.validation().classes_size(), 4);
  EXPECT_TRUE(std::isnan(message.validation().classes(1).ap50()));
}

}  // namespace
}  // namespace mgral::rpc
