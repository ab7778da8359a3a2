// The server as such: reflection, metrics, log, export, what it keeps and deletes.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/e2e/api.h"
#include "tests/support/loopback.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;

class ServerTest : public ApiTest {};

// Every string in the answer to "list the services" of grpc.reflection; Debian has no stub of it.
std::string ListServices(const std::shared_ptr<grpc::Channel>& channel) {
  const grpc::internal::RpcMethod method(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      grpc::internal::RpcMethod::BIDI_STREAMING);
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel.get(), method, &context));
  const grpc::Slice question(std::string("\x3a\x01*"));  // list_services: "*"
  grpc::ByteBuffer answer;
  stream->Write(grpc::ByteBuffer(&question, 1));
  stream->WritesDone();
  stream->Read(&answer);
  EXPECT_TRUE(stream->Finish().ok());
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(answer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

TEST_F(ServerTest, ReflectionListsTheServices) {
  const std::string services = ListServices(Server().NewChannel());
  for (const char* name :
       {"mgral.v1.PoolService", "mgral.v1.SelectionService", "mgral.v1.LabelService",
        "mgral.v1.CycleService", "mgral.v1.ModelService", "mgral.v1.PredictionService",
        "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(name));
  }
}

TEST_F(ServerTest, APoolKeepsItsCostsAndItsRandomShare) {
  v1::CreatePoolRequest request;
  request.set_pool_id("costs");
  request.mutable_pool()->add_classes("cat");
  v1::SelectionSettings* selection = request.mutable_pool()->mutable_selection();
  selection->set_seconds_per_image(12.5);
  selection->set_seconds_per_box(7.3);
  selection->set_uniform_share(0);
  grpc::ClientContext context;
  v1::Pool created;
  const grpc::Status status = api_.pools->CreatePool(&context, request, &created);
  ASSERT_TRUE(status.ok()) << status.error_message();
  for (const v1::Pool& pool : {created, GetPool("pools/costs")}) {
    EXPECT_EQ(pool.selection().seconds_per_image(), 12.5);
    EXPECT_EQ(pool.selection().seconds_per_box(), 7.3);
    EXPECT_TRUE(pool.selection().has_uniform_share());
    EXPECT_EQ(pool.selection().uniform_share(), 0);
  }
  const v1::Pool defaults = GetPool(MakePool());
  EXPECT_EQ(defaults.selection().seconds_per_image(), 0);
  EXPECT_EQ(defaults.selection().uniform_share(), 0.15);
}

TEST_F(ServerTest, MetricsCountCalls) {
  v1::Batch batch;
  EXPECT_FALSE(Query("pools/nobody", 1, &batch).ok());
  const std::string metrics = Ask(Server().metrics_port(), "GET /metrics HTTP/1.0\r\n\r\n");
  EXPECT_THAT(metrics, HasSubstr("mgral_build_info{"));
  EXPECT_THAT(metrics, HasSubstr("mgral_database_up 1"));
  EXPECT_THAT(metrics, HasSubstr("code=\"NOT_FOUND\""));
  EXPECT_THAT(metrics, HasSubstr("method=\"SelectionService/QueryBatch\""));
  EXPECT_THAT(metrics, HasSubstr("mgral_rpc_seconds_bucket"));
}

TEST_F(ServerTest, CallsAreLoggedWithTheirRequestId) {
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "my-request-42");
  v1::GetPoolRequest request;
  request.set_name("pools/nobody");
  v1::Pool pool;
  EXPECT_FALSE(api_.pools->GetPool(&context, request, &pool).ok());
  const auto trailer = context.GetServerTrailingMetadata().find("x-request-id");
  ASSERT_NE(trailer, context.GetServerTrailingMetadata().end());
  EXPECT_EQ(std::string(trailer->second.data(), trailer->second.size()), "my-request-42");
  std::istringstream log(Server().log());
  bool found = false;
  for (std::string line; std::getline(log, line);) {
    const auto fields = nlohmann::json::parse(line);  // every line is an object
    if (fields.value("request_id", "") != "my-request-42") continue;
    found = true;
    EXPECT_EQ(fields["method"], "PoolService/GetPool");
    EXPECT_EQ(fields["code"], "NOT_FOUND");
    EXPECT_EQ(fields["level"], "info");
  }
  EXPECT_TRUE(found) << Server().log();
}

TEST_F(ServerTest, ExportIsCocoThatCanBeReadAgain) {
  const std::string pool = MakePool();
  RegisterImages(pool, 4);
  v1::NewImage odd = PathImage("odd \"name\" \xc3\xa9", ImageFolder::Name(5));
  ASSERT_TRUE(Register(pool, {odd}).ok());
  v1::NewLabels hard = LabelsOf("img_01", 2, 3, 10.5, 4.25, "dog");
  hard.mutable_boxes(0)->set_ignore(true);
  v1::NewLabels empty;
  empty.set_image_id("img_02");
  v1::NewLabels refused;
  refused.set_image_id("img_03");
  refused.set_reject_reason("dark");
  v1::NewLabels validation = LabelsOf(odd.image_id(), 0, 0, 24, 16);
  validation.set_use(v1::IMAGE_USE_VALIDATION);
  const auto status =
      Ingest(pool, {LabelsOf("img_00", 1, 1, 4, 4), hard, empty, refused, validation});
  ASSERT_TRUE(status.ok()) << status.error_message();

  v1::ExportLabelsRequest request;
  request.set_parent(pool);
  grpc::ClientContext context;
  auto reader = api_.labels->ExportLabels(&context, request);
  std::string file;
  for (v1::ExportLabelsResponse piece; reader->Read(&piece);) file += piece.data();
  ASSERT_TRUE(reader->Finish().ok());

  const auto coco = nlohmann::json::parse(file);
  ASSERT_EQ(coco["categories"].size(), 2u);
  EXPECT_EQ(coco["categories"][1]["name"], "dog");
  ASSERT_EQ(coco["images"].size(), 4u);  // without the refused one
  ASSERT_EQ(coco["annotations"].size(), 3u);
  std::map<int64_t, nlohmann::json> images;
  for (const auto& image : coco["images"]) {
    images[image["id"].get<int64_t>()] = image;
    EXPECT_EQ(image["width"], ImageFolder::kWidth);
    EXPECT_EQ(image["height"], ImageFolder::kHeight);
  }
  ASSERT_EQ(images.size(), 4u);
  std::set<int64_t> ids;
  for (const auto& annotation : coco["annotations"]) {
    ids.insert(annotation["id"].get<int64_t>());
    EXPECT_EQ(annotation["iscrowd"], 0);
    const auto& image = images.at(annotation["image_id"].get<int64_t>());
    if (image["mgral_image_id"] == "img_01") {
      EXPECT_EQ(image["file_name"], ImageFolder::Name(1));
      EXPECT_EQ(annotation["category_id"], 2);
      EXPECT_EQ(annotation["bbox"], nlohmann::json({2, 3, 10.5, 4.25}));
      EXPECT_EQ(annotation["area"], 10.5 * 4.25);
      EXPECT_EQ(annotation["ignore"], 1);
    }
    if (image["mgral_use"] == "VALIDATION") {
      EXPECT_EQ(image["mgral_image_id"], odd.image_id());
    }
  }
  EXPECT_EQ(ids.size(), 3u);
}

TEST_F(ServerTest, BytesAreKeptAndServed) {
  const std::string pool = MakePool();
  v1::NewImage image;
  image.set_image_id("bytes");
  image.mutable_source()->set_data(Images().Bytes(ImageFolder::Name(0)));
  ASSERT_TRUE(Register(pool, {image}).ok());
  v1::BatchRegisterImagesResponse again;
  ASSERT_TRUE(Register(pool, {image}, &again).ok());
  EXPECT_EQ(again.existing(), 1);
  const auto images = ListImages(pool);
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images[0].width(), ImageFolder::kWidth);
  EXPECT_TRUE(images[0].path().empty());
}

TEST_F(ServerTest, WatchTellsTheCycleUntilItEnds) {
  const std::string pool = MakePool();
  RegisterImages(pool, 2);
  v1::StartCycleRequest start;
  start.set_parent(pool);
  v1::Cycle cycle;
  grpc::ClientContext a, b, c;
  ASSERT_TRUE(api_.cycles->StartCycle(&a, start, &cycle).ok());
  v1::WatchCycleRequest watch;
  watch.set_name(cycle.name());
  auto reader = api_.cycles->WatchCycle(&b, watch);
  v1::WatchCycleResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.cycle().state(), v1::CYCLE_STATE_QUEUED);
  v1::CancelCycleRequest cancel;
  cancel.set_name(cycle.name());
  ASSERT_TRUE(api_.cycles->CancelCycle(&c, cancel, &cycle).ok());
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(response.cycle().state(), v1::CYCLE_STATE_CANCELLED);
}

TEST_F(ServerTest, DeletedPoolsAreGone) {
  const std::string pool = MakePool();
  RegisterImages(pool, 2);
  v1::DeletePoolRequest request;
  request.set_name(pool);
  google::protobuf::Empty empty;
  grpc::ClientContext a, b;
  ASSERT_TRUE(api_.pools->DeletePool(&a, request, &empty).ok());
  ExpectRefused(api_.pools->DeletePool(&b, request, &empty), StatusCode::NOT_FOUND, "NOT_FOUND",
                "");
  ExpectServerGoesOn();
}

}  // namespace
}  // namespace mgral::test
