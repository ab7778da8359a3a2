// What is repeated happens once: request_id, and streams that broke.
#include <signal.h>

#include <set>

#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;

class RepeatTest : public ApiTest {};

TEST_F(RepeatTest, CreatePoolReturnsTheStoredAnswer) {
  v1::CreatePoolRequest request;
  request.set_request_id("create-1");
  request.mutable_pool()->add_classes("cat");
  v1::Pool first, second, third;
  grpc::ClientContext a, b, c;
  ASSERT_TRUE(api_.pools->CreatePool(&a, request, &first).ok());
  ASSERT_TRUE(api_.pools->CreatePool(&b, request, &second).ok());
  EXPECT_EQ(first.name(), second.name());  // the server made up its id
  request.mutable_pool()->add_classes("dog");
  ExpectRefused(api_.pools->CreatePool(&c, request, &third), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "request_id");
}

TEST_F(RepeatTest, BatchRegisterImagesReturnsTheStoredAnswer) {
  v1::BatchRegisterImagesRequest request;
  request.set_parent(MakePool());
  request.set_request_id("register-1");
  *request.add_images() = PathImage("a", ImageFolder::Name(0));
  for (int i = 0; i < 3; ++i) {
    v1::BatchRegisterImagesResponse response;
    grpc::ClientContext context;
    const auto status = api_.pools->BatchRegisterImages(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.registered(), 1);  // not "existing": the first answer
  }
  request.set_request_id("");
  v1::BatchRegisterImagesResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(api_.pools->BatchRegisterImages(&context, request, &response).ok());
  EXPECT_EQ(response.registered(), 0);
  EXPECT_EQ(response.existing(), 1);
}

TEST_F(RepeatTest, BatchIngestLabelsStoresOneRevision) {
  v1::BatchIngestLabelsRequest request;
  request.set_parent(MakePool());
  request.set_request_id("ingest-1");
  RegisterImages(request.parent(), 1);
  *request.add_labels() = LabelsOf("img_00", 0, 0, 4, 4);
  for (int i = 0; i < 2; ++i) {
    v1::BatchIngestLabelsResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(api_.labels->BatchIngestLabels(&context, request, &response).ok());
    EXPECT_EQ(response.ingested(), 1);
  }
  const auto labels = ListLabels(request.parent());
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(labels[0].revision(), 1);
}

TEST_F(RepeatTest, QueryBatchHandsOutNothingNew) {
  const std::string pool = MakePool();
  RegisterImages(pool, 10);
  v1::Batch first, second, other;
  const auto change = [](v1::QueryBatchRequest* r) { r->set_request_id("query-1"); };
  ASSERT_TRUE(Query(pool, 4, &first, change).ok());
  ASSERT_TRUE(Query(pool, 4, &second, change).ok());
  EXPECT_EQ(first.name(), second.name());
  ASSERT_EQ(second.images_size(), 4);
  EXPECT_EQ(GetPool(pool).counts().leased(), 4);
  ExpectRefused(Query(pool, 5, &other, change), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
                "request_id");
}

TEST_F(RepeatTest, StartCycleStartsOne) {
  v1::StartCycleRequest request;
  request.set_parent(MakePool());
  request.set_request_id("cycle-1");
  RegisterImages(request.parent(), 2);
  v1::Cycle first, second, third;
  grpc::ClientContext a, b, c, d;
  const auto status = api_.cycles->StartCycle(&a, request, &first);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_TRUE(api_.cycles->StartCycle(&b, request, &second).ok());
  EXPECT_EQ(first.name(), second.name());
  request.set_request_id("cycle-2");
  const auto refused = api_.cycles->StartCycle(&c, request, &third);
  ExpectRefused(refused, StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS", "");
  EXPECT_EQ(Explain(refused).resource, first.name());
  v1::CancelCycleRequest cancel;
  cancel.set_name(first.name());
  ASSERT_TRUE(api_.cycles->CancelCycle(&d, cancel, &third).ok());
  EXPECT_EQ(third.state(), v1::CYCLE_STATE_CANCELLED);
}

// Sends images [from, to) in chunks of 5 and reads the acknowledgments, as long as it can.
class Registration {
 public:
  Registration(v1::PoolService::Stub* stub, const std::string& pool, int from, int to)
      : stream_(stub->RegisterImages(&context_)) {
    for (int i = from; i < to; i += 5) {
      v1::RegisterImagesRequest request;
      request.set_parent(pool);
      for (int k = i; k < std::min(i + 5, to); ++k) {
        v1::NewImage* image = request.add_images();
        image->set_image_id(ImageFolder::Name(k).substr(0, 6));
        image->mutable_source()->set_path(ImageFolder::Name(k));
      }
      requests_.push_back(request);
    }
  }
  // One chunk to and fro. False once the stream is broken.
  bool Step() {
    if (next_ == requests_.size() || !stream_->Write(requests_[next_])) return false;
    ++next_;
    v1::RegisterImagesResponse response;
    if (!stream_->Read(&response)) return false;
    acknowledged = response.acknowledged();
    registered += response.registered();
    existing += response.existing();
    return true;
  }
  // A chunk whose acknowledgment nobody waits for.
  void WriteOnly() { stream_->Write(requests_[next_++]); }
  void Break() { context_.TryCancel(); }
  grpc::Status Finish() {
    stream_->WritesDone();
    v1::RegisterImagesResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }
  int64_t acknowledged = 0, registered = 0, existing = 0;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RegisterImagesRequest, v1::RegisterImagesResponse>>
      stream_;
  std::vector<v1::RegisterImagesRequest> requests_;
  size_t next_ = 0;
};

void ExpectEachOnce(const std::vector<v1::Image>& images, size_t count) {
  std::set<std::string> ids;
  for (const v1::Image& image : images) ids.insert(image.image_id());
  EXPECT_EQ(images.size(), count);
  EXPECT_EQ(ids.size(), count);
}

TEST_F(RepeatTest, ARegistrationStreamThatTheClientBrokeResumes) {
  const std::string pool = MakePool();
  int64_t acknowledged = 0;
  {
    Registration first(api_.pools.get(), pool, 0, 40);
    ASSERT_TRUE(first.Step());
    ASSERT_TRUE(first.Step());
    first.WriteOnly();  // committed or not: nobody knows
    first.Break();
    EXPECT_EQ(first.Finish().error_code(), StatusCode::CANCELLED);
    acknowledged = first.acknowledged;
  }
  EXPECT_EQ(acknowledged, 10);
  Registration second(api_.pools.get(), pool, static_cast<int>(acknowledged), 40);
  while (second.Step()) {
  }
  const auto status = second.Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(second.registered + second.existing, 30);
  ExpectEachOnce(ListImages(pool), 40);
}

TEST_F(RepeatTest, ARegistrationStreamResumesAfterTheServerWasKilled) {
  const auto database = TestDatabase::Create();
  const std::string pool = "pools/killed";
  int64_t acknowledged = 0;
  {
    ServerProcess server({Flags(database->conninfo()), {}});
    Api api(server.NewChannel());
    v1::CreatePoolRequest request;
    request.set_pool_id("killed");
    request.mutable_pool()->add_classes("cat");
    grpc::ClientContext context;
    v1::Pool created;
    ASSERT_TRUE(api.pools->CreatePool(&context, request, &created).ok());
    Registration first(api.pools.get(), pool, 0, 40);
    ASSERT_TRUE(first.Step());
    ASSERT_TRUE(first.Step());
    first.WriteOnly();
    server.Kill9();
    EXPECT_EQ(first.Finish().error_code(), StatusCode::UNAVAILABLE);
    acknowledged = first.acknowledged;
  }
  ServerProcess server({Flags(database->conninfo()), {}});
  Api api(server.NewChannel());
  v1::ListImagesRequest list;
  list.set_parent(pool);
  list.set_page_size(1000);
  v1::ListImagesResponse images;
  grpc::ClientContext before, after;
  ASSERT_TRUE(api.pools->ListImages(&before, list, &images).ok());
  EXPECT_GE(images.images_size(), acknowledged);  // what was acknowledged is there
  Registration second(api.pools.get(), pool, static_cast<int>(acknowledged), 40);
  while (second.Step()) {
  }
  EXPECT_TRUE(second.Finish().ok());
  ASSERT_TRUE(api.pools->ListImages(&after, list, &images).ok());
  ExpectEachOnce({images.images().begin(), images.images().end()}, 40);
}

TEST_F(RepeatTest, AStreamTellsOfItsBadImagesAndKeepsTheGood) {
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  grpc::ClientContext context;
  auto stream = api_.pools->RegisterImages(&context);
  v1::RegisterImagesRequest request;
  request.set_parent(pool);
  *request.add_images() = PathImage("new", ImageFolder::Name(3));
  ASSERT_TRUE(stream->Write(request));
  v1::RegisterImagesResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.acknowledged(), 1);

  request.Clear();
  *request.add_images() = PathImage("cut", "truncated.jpg");
  *request.add_images() = PathImage("img_00", ImageFolder::Name(0));  // there already
  *request.add_images() = PathImage("new", ImageFolder::Name(4));     // another source
  *request.add_images() = PathImage("fine", ImageFolder::Name(5));
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.acknowledged(), 5);
  EXPECT_EQ(response.registered(), 1);
  EXPECT_EQ(response.existing(), 1);
  ASSERT_EQ(response.refused_size(), 2);
  EXPECT_EQ(response.refused(0).index(), 1);
  EXPECT_EQ(response.refused(0).image_id(), "cut");
  EXPECT_EQ(response.refused(0).field(), "source.path");
  EXPECT_EQ(response.refused(1).index(), 3);
  EXPECT_EQ(response.refused(1).field(), "image_id");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(ListImages(pool).size(), 3u);
}

TEST_F(RepeatTest, AStreamOfLabelsTellsOfItsBadOnes) {
  const std::string pool = MakePool();
  RegisterImages(pool, 3);
  grpc::ClientContext context;
  auto stream = api_.labels->IngestLabels(&context);
  v1::IngestLabelsRequest request;
  request.set_parent(pool);
  *request.add_labels() = LabelsOf("img_00", 0, 0, 4, 4);
  *request.add_labels() = LabelsOf("img_01", 0, 0, 400, 4);
  *request.add_labels() = LabelsOf("img_02", 0, 0, 4, 4);
  request.mutable_labels(2)->set_batch(pool + "/batches/987654");
  ASSERT_TRUE(stream->Write(request));
  v1::IngestLabelsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.acknowledged(), 3);
  EXPECT_EQ(response.ingested(), 1);
  ASSERT_EQ(response.refused_size(), 2);
  EXPECT_EQ(response.refused(0).index(), 1);
  EXPECT_EQ(response.refused(0).field(), "boxes[0].width");
  EXPECT_EQ(response.refused(1).field(), "batch");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(ListLabels(pool).size(), 1u);
}

TEST_F(RepeatTest, MalformedStreamsFailWithTheirField) {
  const auto first_message = [&](const v1::RegisterImagesRequest& request) {
    grpc::ClientContext context;
    auto stream = api_.pools->RegisterImages(&context);
    stream->Write(request);
    stream->WritesDone();
    v1::RegisterImagesResponse response;
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  };
  v1::RegisterImagesRequest request;
  ExpectRefused(first_message(request), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "parent");
  request.set_parent("pools/nobody");
  ExpectRefused(first_message(request), StatusCode::NOT_FOUND, "NOT_FOUND", "");
  request.set_parent(MakePool());
  for (int i = 0; i < 1001; ++i) *request.add_images() = PathImage(std::to_string(i), "a.png");
  ExpectRefused(first_message(request), StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images");
  EXPECT_EQ(ListImages(request.parent()).size(), 0u);
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
