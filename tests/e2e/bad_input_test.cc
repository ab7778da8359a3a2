// Everything that a user can get wrong: the error names the field, nothing is stored, the server
// goes on.
#include <cmath>
#include <limits>

#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class BadInputTest : public ApiTest {
 protected:
  // The call of `status` on `pool` left no trace.
  void ExpectNoImages(const std::string& pool) {
    EXPECT_THAT(ListImages(pool), IsEmpty());
    ExpectServerGoesOn();
  }
  void ExpectNoLabels(const std::string& pool) {
    EXPECT_THAT(ListLabels(pool), IsEmpty());
    EXPECT_EQ(GetPool(pool).counts().labeled(), 0);
    ExpectServerGoesOn();
  }
};

TEST_F(BadInputTest, UnknownClass) {
  const std::string pool = MakePool();
  RegisterImages(pool, 2);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", 1, 1, 4, 4), LabelsOf("img_01", 1, 1, 4, 4, "cow")});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[1].boxes[0].class_name", "\"cat\", \"dog\"");
  ExpectNoLabels(pool);
}

struct BadBox {
  double x, y, width, height;
  std::string field;
};

class BadBoxTest : public BadInputTest, public ::testing::WithParamInterface<BadBox> {};

TEST_P(BadBoxTest, IsRefusedWithItsField) {
  const BadBox& bad = GetParam();
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status = Ingest(pool, {LabelsOf("img_00", bad.x, bad.y, bad.width, bad.height)});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].boxes[0]." + bad.field);
  ExpectNoLabels(pool);
}

// Images are 24 x 16.
INSTANTIATE_TEST_SUITE_P(
    Boxes, BadBoxTest,
    ::testing::Values(BadBox{kNan, 0, 4, 4, "x_min"}, BadBox{0, kNan, 4, 4, "y_min"},
                      BadBox{0, 0, kNan, 4, "width"}, BadBox{0, 0, 4, kInfinity, "height"},
                      BadBox{-kInfinity, 0, 4, 4, "x_min"}, BadBox{-1, 0, 4, 4, "x_min"},
                      BadBox{0, -0.5, 4, 4, "y_min"}, BadBox{0, 0, -4, 4, "width"},
                      BadBox{0, 0, 4, 0, "height"}, BadBox{20, 0, 4.5, 4, "width"},
                      BadBox{0, 10, 4, 7, "height"}, BadBox{1e300, 0, 1e300, 4, "width"}));

TEST_F(BadInputTest, ABoxMayReachTheEdge) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status = Ingest(pool, {LabelsOf("img_00", 0.1, 0.3, 23.9, 15.7)});
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(BadInputTest, OutOfImageIsSeenWhereTheSizeWasNotLookedAt) {
  const std::string pool = MakePool();
  v1::BatchRegisterImagesRequest request;
  request.set_parent(pool);
  request.set_verification(v1::VERIFICATION_NONE);
  *request.add_images() = PathImage("a", ImageFolder::Name(0));
  grpc::ClientContext context;
  v1::BatchRegisterImagesResponse response;
  ASSERT_TRUE(api_.pools->BatchRegisterImages(&context, request, &response).ok());
  ExpectRefused(Ingest(pool, {LabelsOf("a", 0, 0, 25, 4)}), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "labels[0].boxes[0].width", "24 x 16");
  ExpectNoLabels(pool);
}

TEST_F(BadInputTest, AllViolationsAreToldAtOnce) {
  const std::string pool = MakePool();
  RegisterImages(pool, 3);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", kNan, 0, 4, 4), LabelsOf("img_01", 0, 0, 4, 4, "cow"),
                    LabelsOf("img_02", 0, 0, 99, 4)});
  EXPECT_EQ(Explain(status).FieldsText(),
            "labels[0].boxes[0].x_min, labels[1].boxes[0].class_name, labels[2].boxes[0].width");
  ExpectNoLabels(pool);
}

TEST_F(BadInputTest, AThousandViolationsStillFitIntoAnAnswer) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  std::vector<v1::NewLabels> labels;
  for (int i = 0; i < 1000; ++i) {
    labels.push_back(LabelsOf("unknown-" + std::string(200, 'x') + std::to_string(i), 0, 0, 4, 4,
                              std::string(2000, 'y')));
  }
  const auto status = Ingest(pool, labels);
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].boxes[0].class_name");
  EXPECT_GT(Explain(status).violations.size(), 5u);
  ExpectNoLabels(pool);
}

TEST_F(BadInputTest, LabelsForAnImageNeverRegistered) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", 0, 0, 4, 4), LabelsOf("stranger", 0, 0, 4, 4)});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "labels[1].image_id",
                "not registered");
  ExpectNoLabels(pool);
}

TEST_F(BadInputTest, BoxesOfARefusedImageAndTwoLabelsOfOne) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  v1::NewLabels refused = LabelsOf("img_00", 0, 0, 4, 4);
  refused.set_reject_reason("blurred");
  ExpectRefused(Ingest(pool, {refused}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "labels[0].reject_reason");
  ExpectRefused(Ingest(pool, {LabelsOf("img_00", 0, 0, 4, 4), LabelsOf("img_00", 0, 0, 5, 5)}),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "labels[1].image_id");
  ExpectNoLabels(pool);
}

TEST_F(BadInputTest, LabelsOfABatchThatIsNone) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  for (const std::string& batch :
       {pool + "/batches/999999", std::string("pools/other/batches/1"), std::string("nonsense")}) {
    v1::NewLabels labels = LabelsOf("img_00", 0, 0, 4, 4);
    labels.set_batch(batch);
    ExpectRefused(Ingest(pool, {labels}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                  "labels[0].batch");
  }
  ExpectNoLabels(pool);
}

struct BadImage {
  std::string name, path, words;
};

class BadImageTest : public BadInputTest, public ::testing::WithParamInterface<BadImage> {};

TEST_P(BadImageTest, IsRefusedAndNoneOfTheCallIsRegistered) {
  const std::string pool = MakePool();
  const auto status =
      Register(pool, {PathImage("good", ImageFolder::Name(0)), PathImage("bad", GetParam().path)});
  ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images[1].source.path",
                GetParam().words);
  ExpectNoImages(pool);
}

INSTANTIATE_TEST_SUITE_P(
    Images, BadImageTest,
    ::testing::Values(BadImage{"truncated", "truncated.jpg", ""},
                      BadImage{"huge", "huge.png", "20000"}, BadImage{"text", "text.jpg", ""},
                      BadImage{"missing", "nowhere.png", "no such file"},
                      BadImage{"dotdot", "../outside.png", "\"..\""},
                      BadImage{"dotdotinside", "a/../../outside.png", "\"..\""},
                      BadImage{"absolute", "/etc/passwd", "absolute"},
                      BadImage{"symlink", "link.png", "symbolic link"}, BadImage{"folder", ".", ""},
                      BadImage{"empty", "", "empty"}, BadImage{"control", "a\nb.png", "control"}),
    [](const auto& info) { return info.param.name; });

TEST_F(BadInputTest, BytesThatAreNoImage) {
  const std::string pool = MakePool();
  for (const std::string name : {"truncated.jpg", "huge.png", "text.jpg"}) {
    v1::NewImage image;
    image.set_image_id("bytes");
    image.mutable_source()->set_data(Images().Bytes(name));
    ExpectRefused(Register(pool, {image}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                  "images[0].source.data");
  }
  ExpectNoImages(pool);
}

TEST_F(BadInputTest, AnAddressThatIsNotAllowed) {
  const std::string pool = MakePool();
  for (const std::string uri : {"http://127.0.0.1:1/a.png", "file:///etc/passwd"}) {
    v1::NewImage image;
    image.set_image_id("uri");
    image.mutable_source()->set_uri(uri);
    ExpectRefused(Register(pool, {image}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                  "images[0].source.uri");
  }
  ExpectNoImages(pool);
}

TEST_F(BadInputTest, ImageIdsThatAreNone) {
  const std::string pool = MakePool();
  const std::string path = ImageFolder::Name(0);
  for (const std::string& id :
       {std::string(), std::string("a/b"), std::string(257, 'a'), std::string("line\nbreak")}) {
    ExpectRefused(Register(pool, {PathImage(id, path)}), StatusCode::INVALID_ARGUMENT,
                  "INVALID_FIELD", "images[0].image_id");
  }
  ExpectRefused(Register(pool, {PathImage("twice", path), PathImage("twice", path)}),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images[1].image_id");
  v1::NewImage nowhere;
  nowhere.set_image_id("nowhere");
  ExpectRefused(Register(pool, {nowhere}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "images[0].source");
  v1::NewImage useless = PathImage("useless", path);
  useless.set_use(static_cast<v1::ImageUse>(7));
  ExpectRefused(Register(pool, {useless}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "images[0].use");
  ExpectRefused(Register(pool, {}), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images");
  ExpectRefused(Register(pool, std::vector<v1::NewImage>(1001, PathImage("a", path))),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images", "1001");
  ExpectNoImages(pool);
}

TEST_F(BadInputTest, AnotherSourceForAnImageThatIsThere) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  const auto status = Register(
      pool, {PathImage("new", ImageFolder::Name(1)), PathImage("img_00", ImageFolder::Name(2))});
  ExpectRefused(status, StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS", "images[1].image_id");
  EXPECT_EQ(ListImages(pool).size(), 1u);
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, UnknownPoolOrNameOfNone) {
  v1::Batch batch;
  auto status = Query("pools/nobody", 5, &batch);
  ExpectRefused(status, StatusCode::NOT_FOUND, "NOT_FOUND", "", "pools/nobody");
  EXPECT_EQ(Explain(status).resource, "pools/nobody");
  ExpectRefused(Register("pools/nobody", {PathImage("a", ImageFolder::Name(0))}),
                StatusCode::NOT_FOUND, "NOT_FOUND", "");
  ExpectRefused(Ingest("pools/nobody", {LabelsOf("a", 0, 0, 1, 1)}), StatusCode::NOT_FOUND,
                "NOT_FOUND", "");
  for (const std::string name : {"", "pools", "pools/", "pools/a/b", "nobody", "images/a"}) {
    ExpectRefused(Query(name, 5, &batch), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "parent");
  }
  grpc::ClientContext context;
  v1::Batch got;
  v1::GetBatchRequest request;
  request.set_name(MakePool() + "/batches/12345");
  status = api_.selection->GetBatch(&context, request, &got);
  ExpectRefused(status, StatusCode::NOT_FOUND, "NOT_FOUND", "");
  EXPECT_EQ(Explain(status).resource, request.name());
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, BatchesOfImpossibleSizes) {
  const std::string pool = MakePool();
  RegisterImages(pool, 2);
  v1::Batch batch;
  for (const int size : {0, -1, 10001, 1000000000}) {
    ExpectRefused(Query(pool, size, &batch), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "size");
  }
  ExpectRefused(Query(pool, 1, &batch, [](auto* r) { r->set_strategy("tarot"); }),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "strategy", "lookup_greedy");
  for (const int64_t seconds : {int64_t{0}, int64_t{-5}, int64_t{700000}, int64_t{1} << 62}) {
    ExpectRefused(
        Query(pool, 1, &batch, [&](auto* r) { r->mutable_lease_duration()->set_seconds(seconds); }),
        StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "lease_duration");
  }
  ExpectRefused(Query(pool, 1, &batch, [](auto* r) { r->set_annotator(std::string(129, 'a')); }),
                StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "annotator");
  EXPECT_EQ(GetPool(pool).counts().leased(), 0);
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, EmptyPoolAndTooFewImagesLeft) {
  const std::string pool = MakePool();
  v1::Batch batch;
  ExpectRefused(Query(pool, 1, &batch), StatusCode::FAILED_PRECONDITION, "POOL_EXHAUSTED", "size");
  ExpectRefused(Query(pool, 1, &batch, [](auto* r) { r->set_allow_fewer(true); }),
                StatusCode::FAILED_PRECONDITION, "POOL_EXHAUSTED", "size");
  RegisterImages(pool, 3);
  ExpectRefused(Query(pool, 4, &batch), StatusCode::FAILED_PRECONDITION, "POOL_EXHAUSTED", "size",
                "3");
  EXPECT_EQ(GetPool(pool).counts().leased(), 0);
  const auto status = Query(pool, 4, &batch, [](auto* r) { r->set_allow_fewer(true); });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(batch.images_size(), 3);
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, PoolsThatCannotBe) {
  const auto create = [&](const std::function<void(v1::CreatePoolRequest*)>& change) {
    v1::CreatePoolRequest request;
    request.set_pool_id("cannot-be");
    request.mutable_pool()->add_classes("cat");
    change(&request);
    grpc::ClientContext context;
    v1::Pool pool;
    return api_.pools->CreatePool(&context, request, &pool);
  };
  const auto expect = [](const grpc::Status& status, const std::string& field) {
    ExpectRefused(status, StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", field);
  };
  expect(create([](auto* r) { r->set_pool_id("Cats"); }), "pool_id");
  expect(create([](auto* r) { r->mutable_pool()->clear_classes(); }), "pool.classes");
  expect(create([](auto* r) { r->mutable_pool()->add_classes("cat"); }), "pool.classes[1]");
  expect(create([](auto* r) { r->mutable_pool()->add_classes(" "); }), "pool.classes[1]");
  expect(create([](auto* r) { r->mutable_pool()->mutable_detector()->set_profile("vast"); }),
         "pool.detector.profile");
  expect(create([](auto* r) { r->mutable_pool()->mutable_detector()->set_input_size(100); }),
         "pool.detector.input_size");
  expect(create([](auto* r) { r->mutable_pool()->mutable_selection()->set_strategy("luck"); }),
         "pool.selection.strategy");
  expect(create([](auto* r) { r->mutable_pool()->mutable_selection()->set_batch_size(-3); }),
         "pool.selection.batch_size");
  expect(create([](auto* r) { r->set_request_id(std::string(200, 'r')); }), "request_id");
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, CyclesThatCannotBegin) {
  const std::string pool = MakePool();
  const auto start = [&] {
    v1::StartCycleRequest request;
    request.set_parent(pool);
    grpc::ClientContext context;
    v1::Cycle cycle;
    return api_.cycles->StartCycle(&context, request, &cycle);
  };
  ExpectRefused(start(), StatusCode::FAILED_PRECONDITION, "POOL_EMPTY", "parent", "register");
  RegisterImages(pool, 2);
  ASSERT_TRUE(Ingest(pool, {LabelsOf("img_00", 0, 0, 4, 4)}).ok());
  ExpectRefused(start(), StatusCode::FAILED_PRECONDITION, "NO_VALIDATION", "parent", "VALIDATION");

  v1::PredictRequest predict;
  predict.set_model(pool);
  predict.add_images()->set_image_id("img_00");
  v1::PredictResponse predictions;
  grpc::ClientContext context;
  ExpectRefused(api_.models->Predict(&context, predict, &predictions),
                StatusCode::FAILED_PRECONDITION, "NO_MODEL", "model");
  v1::EstimateGainRequest estimate;
  estimate.set_parent(pool);
  estimate.add_image_ids("img_00");
  v1::EstimateGainResponse gain;
  grpc::ClientContext other;
  ExpectRefused(api_.selection->EstimateGain(&other, estimate, &gain),
                StatusCode::FAILED_PRECONDITION, "NO_TABLE", "");
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, PagesThatAreNone) {
  const std::string pool = MakePool();
  v1::ListImagesRequest request;
  request.set_parent(pool);
  request.set_page_size(-1);
  v1::ListImagesResponse response;
  grpc::ClientContext first, second;
  ExpectRefused(api_.pools->ListImages(&first, request, &response), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "page_size");
  request.set_page_size(1);
  request.set_page_token("made up");
  ExpectRefused(api_.pools->ListImages(&second, request, &response), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "page_token");
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, ADeadlineThatIsOver) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  v1::ListPoolsResponse response;
  const auto status = api_.pools->ListPools(&context, v1::ListPoolsRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
