// Pools with an external detector: put predictions, start a cycle, query; and what they refuse.
#include "tests/e2e/predictions.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(PredictionsTest, PutStartQuery) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 6);
  v1::Cycle cycle;
  ExpectRefused(Start(pool, &cycle), StatusCode::FAILED_PRECONDITION, "NO_PREDICTIONS", "parent");

  // img_01 is the least sure, img_03 the most; img_05 lies far from the others.
  const Answer answer =
      Put(pool, {Of("img_00", 0.9), Of("img_01", 0.5), Of("img_02", 0.8), Of("img_03", 0.99),
                 Of("img_04", 0.7), Of("img_05", 0.95, {-1, 0.1f})});
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.refused, IsEmpty());
  EXPECT_EQ(answer.stored, 6);
  EXPECT_EQ(answer.images, 6);
  // What is labeled lies where the others are, and core_set keeps away from it.
  ASSERT_TRUE(Ingest(pool, {LabelsOf("img_00", 1, 1, 4, 4)}).ok());
  const v1::Cycle ranked = Rank(pool);
  EXPECT_FALSE(ranked.has_table());

  const v1::Batch entropy = Take(pool, 1, "");
  EXPECT_EQ(entropy.strategy(), "entropy");
  EXPECT_EQ(entropy.strategy_note(), "");
  EXPECT_THAT(ImageIds(entropy), ElementsAre("img_01"));
  ASSERT_EQ(entropy.images(0).predictions_size(), 1);
  EXPECT_EQ(entropy.images(0).predictions(0).class_name(), "cat");
  EXPECT_EQ(entropy.images(0).predictions(0).score(), 0.5);
  EXPECT_EQ(entropy.estimated_cost().amount(), 2 + 0.5);
  EXPECT_EQ(entropy.estimated_cost().unit(), v1::COST_UNIT_BOXES);
  EXPECT_THAT(ImageIds(Take(pool, 1, "core_set")), ElementsAre("img_05"));
  EXPECT_THAT(ImageIds(Take(pool, 1, "margin")), ElementsAre("img_04"));
  const v1::Batch random = Take(pool, 1, "random");
  EXPECT_EQ(random.strategy(), "random");
  EXPECT_EQ(random.strategy_note(), "");

  v1::GetModelRequest get;
  get.set_name(entropy.model());
  grpc::ClientContext context;
  v1::Model model;
  ASSERT_TRUE(api_.models->GetModel(&context, get, &model).ok());
  EXPECT_EQ(model.external_model(), "yolo@1");
  EXPECT_EQ(model.profile(), "external");
  EXPECT_TRUE(model.published());
}

TEST_F(PredictionsTest, ClassBalancedTakesClassesWithFewLabelsFirst) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 5);
  v1::NewPredictions dog = Of("img_02"), same = Of("img_03"), nothing = Of("img_04");
  dog.mutable_boxes(0)->set_class_name("dog");
  same.mutable_boxes(0)->set_class_name("dog");
  nothing.clear_boxes();
  ASSERT_TRUE(Put(pool, {Of("img_00"), Of("img_01", 0.9), dog, same, nothing}).status.ok());
  ASSERT_TRUE(Ingest(pool, {LabelsOf("img_00", 1, 1, 4, 4)}).ok());  // a cat
  Rank(pool);
  const v1::Batch batch = Take(pool, 4, "class_balanced");
  EXPECT_EQ(batch.strategy(), "class_balanced");
  EXPECT_EQ(batch.strategy_note(), "");
  EXPECT_THAT(ImageIds(batch), ElementsAre("img_02", "img_01", "img_03", "img_04"));
}

TEST_F(PredictionsTest, AnotherVersionTakesOverWithTheNextCycle) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 3);
  v1::NewImage measured = PathImage("measured", ImageFolder::Name(9));
  measured.set_use(v1::IMAGE_USE_VALIDATION);
  ASSERT_TRUE(Register(pool, {measured}).ok());
  ASSERT_TRUE(Ingest(pool, {LabelsOf("measured", 2, 2, 10, 8)}).ok());
  ASSERT_TRUE(Put(pool, {Of("img_00", 0.5), Of("img_01", 0.9), Of("measured", 0.9)}).status.ok());
  EXPECT_EQ(Rank(pool).map50(), 1);
  const Answer next = Put(pool, {Of("img_02", 0.5, {1, 2, 3})}, "yolo@2");
  ASSERT_TRUE(next.status.ok()) << next.status.error_message();
  EXPECT_EQ(next.images, 1);  // those of the first version are gone
  EXPECT_THAT(ImageIds(Take(pool, 1, "entropy")), ElementsAre("img_00"));  // it is published still
  Rank(pool);
  EXPECT_THAT(ImageIds(Take(pool, 1, "entropy")), ElementsAre("img_02"));
  // Back to the first version's ranking.
  v1::RollbackModelRequest rollback;
  rollback.set_name(pool + "/models/1");
  grpc::ClientContext context;
  v1::Model model;
  const grpc::Status status = api_.models->RollbackModel(&context, rollback, &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.external_model(), "yolo@1");
  EXPECT_THAT(ImageIds(Take(pool, 1, "entropy")), ElementsAre("img_01"));
}

TEST_F(PredictionsTest, WhatNeedsADetectorOfOurOwnIsRefusedByName) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 2);
  const auto refused = [](const grpc::Status& status, const std::string& what) {
    ExpectRefused(status, StatusCode::FAILED_PRECONDITION, "EXTERNAL_DETECTOR",
                  Explain(status).FieldsText(), what);
    EXPECT_THAT(status.error_message(), HasSubstr("needs a detector of mgral's own"));
  };
  for (const std::string strategy : {"mgral", "lookup_greedy"}) {
    v1::Batch batch;
    refused(Query(pool, 1, &batch, [&](auto* query) { query->set_strategy(strategy); }), strategy);
  }
  EXPECT_EQ(GetPool(pool).counts().leased(), 0);
  {
    v1::PredictRequest request;
    request.set_model(pool);
    request.add_images()->set_image_id("img_00");
    grpc::ClientContext context;
    v1::PredictResponse response;
    refused(api_.models->Predict(&context, request, &response), "Predict");
  }
  {
    v1::ExportModelRequest request;
    request.set_model(pool);
    grpc::ClientContext context;
    auto reader = api_.models->ExportModel(&context, request);
    v1::ExportModelResponse response;
    EXPECT_FALSE(reader->Read(&response));
    refused(reader->Finish(), "ExportModel");
  }
  {
    v1::EstimateGainRequest request;
    request.set_parent(pool);
    request.add_image_ids("img_00");
    grpc::ClientContext context;
    v1::EstimateGainResponse response;
    refused(api_.selection->EstimateGain(&context, request, &response), "EstimateGain");
  }
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
