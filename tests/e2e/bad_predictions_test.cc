// Predictions that cannot be right: the error names the field, nothing of them is stored.
#include <limits>

#include "tests/e2e/predictions.h"

namespace mgral::test {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

using BadPredictionsTest = PredictionsTest;

TEST_F(BadPredictionsTest, BadPredictionsAreNamedAndNotStored) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 3);
  const auto with = [](const std::function<void(v1::Box*)>& change) {
    v1::NewPredictions bad = Of("img_01");
    change(bad.mutable_boxes(0));
    return bad;
  };
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_x_min(kNotANumber); })),
            "boxes[0].x_min");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_width(1 / 0.0); })), "boxes[0].width");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_width(-3); })), "boxes[0].width");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_x_min(99); })), "boxes[0].x_min");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_score(1.5); })), "boxes[0].score");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->clear_score(); })), "boxes[0].score");
  EXPECT_EQ(Blamed(pool, with([](v1::Box* box) { box->set_class_name("cow"); })),
            "boxes[0].class_name");
  EXPECT_EQ(Blamed(pool, Of("stranger")), "image_id");
  EXPECT_EQ(Blamed(pool, Of("img_00")), "image_id");  // a second time
  EXPECT_EQ(Blamed(pool, Of("img_01", 0.5, {1, 2, 3})), "embedding");
  EXPECT_EQ(Blamed(pool, Of("img_01", 0.5, {1, static_cast<float>(kNotANumber)})), "embedding[1]");
  EXPECT_EQ(Blamed(pool, Of("img_01", 0.5, std::vector<float>(4097, 1))), "embedding");
  v1::NewPredictions many = Of("img_01");
  for (int i = 0; i < 100'000; ++i) *many.add_boxes() = many.boxes(0);
  EXPECT_EQ(Blamed(pool, many), "boxes");
  ExpectServerGoesOn();
}

TEST_F(BadPredictionsTest, AStreamOfBoxesWithoutEndIsBounded) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 1);
  v1::PutPredictionsRequest request;
  request.set_parent(pool);
  request.set_model("yolo@1");
  // Each message stays below every limit, and has a hundred times the image that there is.
  for (int i = 0; i < 100; ++i) {
    v1::NewPredictions* one = request.add_predictions();
    *one = Of("img_00");
    for (int b = 1; b < 1000; ++b) *one->add_boxes() = one->boxes(0);
  }
  const Answer answer = PutMessages({request, request, request, request, request});
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.stored, 1);
  EXPECT_EQ(answer.images, 1);
  EXPECT_EQ(answer.refused.size(), 499u);
  // More boxes at once than a message may have end the stream.
  for (int i = 0; i < 101; ++i) *request.add_predictions() = request.predictions(0);
  request.set_model("yolo@2");
  const Answer refused = PutMessages({request});
  ExpectRefused(refused.status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "predictions",
                "200000");
  EXPECT_EQ(refused.stored, 0);
  // Nothing of it is stored: the first version is there.
  EXPECT_EQ(Put(pool, {}, "yolo@1").images, 1);
  ExpectServerGoesOn();
}

TEST_F(BadPredictionsTest, BadStreams) {
  const std::string pool = MakeExternalPool();
  RegisterImages(pool, 1);
  ExpectRefused(Put(pool, {Of("img_00")}, "").status, grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "model");
  ExpectRefused(Put("pools/nobody", {Of("img_00")}).status, grpc::StatusCode::NOT_FOUND,
                "NOT_FOUND", "");
  ExpectRefused(Put(pool, std::vector<v1::NewPredictions>(1001, Of("img_00"))).status,
                grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "predictions", "1000");
  v1::PutPredictionsRequest first, second;
  first.set_parent(pool);
  first.set_model("yolo@1");
  second.set_model("yolo@2");
  *second.add_predictions() = Of("img_00");
  ExpectRefused(PutMessages({first, second}).status, grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "model");
  EXPECT_EQ(Put(pool, {}).images, 0);
  const std::string own = MakePool();
  RegisterImages(own, 1);
  ExpectRefused(Put(own, {Of("img_00")}).status, grpc::StatusCode::FAILED_PRECONDITION,
                "NOT_EXTERNAL", "parent", "profile micro");
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
