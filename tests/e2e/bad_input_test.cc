// Everything else that a user can get wrong (labels: bad_labels_test.cc): the error names the
// field, nothing is stored, the server goes on.
#include <cmath>

#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::IsEmpty;

class BadInputTest : public ApiTest {
 protected:
  void ExpectNoImages(const std::string& pool) {
    EXPECT_THAT(ListImages(pool), IsEmpty());
    ExpectServerGoesOn();
  }
};

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

TEST_F(BadInputTest, BytesOfNoImage) {
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

TEST_F(BadInputTest, InvalidImageIds) {
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

TEST_F(BadInputTest, UnknownPoolsAndMalformedNames) {
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

TEST_F(BadInputTest, InvalidBatchSizes) {
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

TEST_F(BadInputTest, InvalidPools) {
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
  for (const double bad : {std::nan(""), -1.0, 1e300}) {
    expect(create([bad](auto* r) {
             r->mutable_pool()->mutable_selection()->set_seconds_per_image(bad);
           }),
           "pool.selection.seconds_per_image");
    expect(create([bad](auto* r) {
             r->mutable_pool()->mutable_selection()->set_seconds_per_box(bad);
           }),
           "pool.selection.seconds_per_box");
    expect(
        create([bad](auto* r) { r->mutable_pool()->mutable_selection()->set_uniform_share(bad); }),
        "pool.selection.uniform_share");
  }
  expect(create([](auto* r) { r->set_request_id(std::string(200, 'r')); }), "request_id");
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, CyclesThatCannotStart) {
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
  const auto export_of = [&](const std::string& model) {
    v1::ExportModelRequest request;
    request.set_model(model);
    grpc::ClientContext exporting;
    const auto reader = api_.models->ExportModel(&exporting, request);
    v1::ExportModelResponse piece;
    EXPECT_FALSE(reader->Read(&piece));
    return reader->Finish();
  };
  ExpectRefused(export_of(pool), StatusCode::FAILED_PRECONDITION, "NO_MODEL", "model");
  ExpectRefused(export_of("cells"), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "model");
  const auto rollback_to = [&](const std::string& name) {
    v1::RollbackModelRequest request;
    request.set_name(name);
    grpc::ClientContext rolling;
    v1::Model model;
    return api_.models->RollbackModel(&rolling, request, &model);
  };
  ExpectRefused(rollback_to(pool), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "name");
  for (const char* version : {"1", "0", "-1", "01", "x", "9223372036854775808"}) {
    const std::string name = pool + "/models/" + version;
    for (const grpc::Status& status : {export_of(name), rollback_to(name)}) {
      EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND) << name;
      EXPECT_EQ(Explain(status).resource, name);
    }
  }
  v1::EstimateGainRequest estimate;
  estimate.set_parent(pool);
  estimate.add_image_ids("img_00");
  v1::EstimateGainResponse gain;
  grpc::ClientContext other;
  ExpectRefused(api_.selection->EstimateGain(&other, estimate, &gain),
                StatusCode::FAILED_PRECONDITION, "NO_TABLE", "");
  ExpectServerGoesOn();
}

TEST_F(BadInputTest, InvalidPageSizesAndTokens) {
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

TEST_F(BadInputTest, AnExpiredDeadline) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  v1::ListPoolsResponse response;
  const auto status = api_.pools->ListPools(&context, v1::ListPoolsRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
