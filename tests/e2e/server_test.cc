// The server as such: health, reflection, metrics, export, overload, draining, its command line.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "server/main/healthcheck.h"
#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerTest : public ApiTest {};

std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    if (write(fd, request.data(), request.size()) > 0) {
      char buffer[4096];
      for (ssize_t got; (got = read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, got);
    }
  }
  close(fd);
  return answer;
}

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
        "mgral.v1.CycleService", "mgral.v1.ModelService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(name));
  }
}

TEST_F(ServerTest, MetricsCountCalls) {
  v1::Batch batch;
  EXPECT_FALSE(Query("pools/nobody", 1, &batch).ok());
  const std::string metrics = HttpGet(Server().metrics_port(), "/metrics");
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

TEST_F(ServerTest, TooManyStreamsAreRefusedWithAHintWhenToTryAgain) {
  auto flags = Flags(Database().conninfo());
  flags.push_back("--max_streams=2");
  ServerProcess server({flags, {}});
  Api api(server.NewChannel());
  const std::string pool = MakePool();
  RegisterImages(pool, 1);
  v1::StartCycleRequest start;
  start.set_parent(pool);
  v1::Cycle cycle;
  grpc::ClientContext started;
  ASSERT_TRUE(api.cycles->StartCycle(&started, start, &cycle).ok());
  v1::WatchCycleRequest watch;
  watch.set_name(cycle.name());
  grpc::ClientContext contexts[3];
  v1::WatchCycleResponse response;
  auto first = api.cycles->WatchCycle(&contexts[0], watch);
  auto second = api.cycles->WatchCycle(&contexts[1], watch);
  ASSERT_TRUE(first->Read(&response));
  ASSERT_TRUE(second->Read(&response));
  auto third = api.cycles->WatchCycle(&contexts[2], watch);
  EXPECT_FALSE(third->Read(&response));
  const auto refused = third->Finish();
  ExpectRefused(refused, StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED", "");
  EXPECT_GT(Explain(refused).retry_seconds, 0);
  // Watchers don't keep others from their answers.
  v1::ListPoolsResponse pools;
  grpc::ClientContext unary;
  EXPECT_TRUE(api.pools->ListPools(&unary, v1::ListPoolsRequest(), &pools).ok());

  // Draining ends the watchers, who go on elsewhere; all is over long before the time limit.
  EXPECT_EQ(server.Terminate(), 0) << server.log();
  while (first->Read(&response)) {
  }
  EXPECT_EQ(first->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, SigtermEndsItInOrder) {
  const auto database = TestDatabase::Create();
  for (const std::string roles : {"api", "worker", "api,worker"}) {
    auto flags = Flags(database->conninfo());
    flags.push_back("--roles=" + roles);
    ServerProcess server({flags, {}});
    const absl::Status health = server::CheckHealth(server.target());
    EXPECT_TRUE(health.ok()) << roles << ": " << health.ToString();
    grpc::ClientContext context;
    v1::ListPoolsResponse pools;
    const auto status =
        Api(server.NewChannel()).pools->ListPools(&context, v1::ListPoolsRequest(), &pools);
    EXPECT_EQ(status.error_code(), roles == "worker" ? StatusCode::UNIMPLEMENTED : StatusCode::OK);
    EXPECT_EQ(server.Terminate(), 0) << roles << ": " << server.log();
    EXPECT_FALSE(server::CheckHealth(server.target()).ok());
  }
}

TEST_F(ServerTest, HealthFollowsTheDatabase) {
  PostgresCluster cluster;
  const auto database = TestDatabase::Create(cluster);
  ServerProcess server({Flags(database->conninfo()), {}});
  const auto healthy = [&] { return server::CheckHealth(server.target()).ok(); };
  const auto becomes = [&](bool well) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (healthy() != well && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return healthy() == well;
  };
  ASSERT_TRUE(healthy());
  cluster.Kill9();
  EXPECT_TRUE(becomes(false));
  grpc::ClientContext context;
  v1::ListPoolsResponse pools;
  const auto status =
      Api(server.NewChannel()).pools->ListPools(&context, v1::ListPoolsRequest(), &pools);
  ExpectRefused(status, StatusCode::UNAVAILABLE, "UNAVAILABLE", "");
  EXPECT_GT(Explain(status).retry_seconds, 0);
  cluster.Start();
  EXPECT_TRUE(becomes(true));
  EXPECT_EQ(server.Terminate(), 0);
}

TEST_F(ServerTest, CommandLineMistakesAreExplained) {
  const auto run = [](const std::vector<std::string>& arguments,
                      const std::map<std::string, std::string>& environment = {}) {
    return RunServerProgram(arguments, environment);
  };
  ProgramResult result = run({"--nosuch=1"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("--nosuch"));
  result = run({}, {{"MGRAL_THREADS", "many"}});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("MGRAL_THREADS"));
  result = run({"--database=" + Database().conninfo(), "--image_root=/does/not/exist"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("image_root"));
  result = run({"--database=host=/does/not/exist", "--database_timeout=300ms",
                "--artifact_dir=" + Images().root() + "/../artifacts"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("option database"));
  result = run({"--database=" + Database().conninfo(), "--listen=" + Server().target(),
                "--artifact_dir=" + Images().root() + "/../artifacts"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr(Server().target()));

  result = run({"healthcheck", "--target=" + Server().target()});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "SERVING\n");
  EXPECT_EQ(run({"healthcheck", "--target=127.0.0.1:1"}).status, 1);

  const auto empty = TestDatabase::CreateEmpty();
  const std::string database = "--database=" + empty->conninfo();
  result =
      run({"--migrate=false", database, "--artifact_dir=" + Images().root() + "/../artifacts"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("mgral-server migrate"));
  EXPECT_EQ(run({"migrate", database}).status, 0);
  EXPECT_EQ(run({"migrate", database}).status, 0);
}

// Where libpq cannot read the address, its error quotes it; also what it was read as.
TEST_F(ServerTest, ThePasswordOfTheDatabaseIsInNoMessage) {
  for (const std::string address :
       {"postgresql://u:s3c%r3t@127.0.0.1:1/db", "postgresql://u:s3c@r3t@127.0.0.1:1/db",
        "postgresql://u:s3c/r3t@127.0.0.1:1/db", "postgresql://127.0.0.1:12/s3cr3t@h/db",
        "host=127.0.0.1 port=1 password=s3c r3t", "host=127.0.0.1 port=1 password='s3cr3t"}) {
    const std::vector<std::string> flags = {"--database=" + address, "--database_timeout=300ms",
                                            "--listen=127.0.0.1:0",
                                            "--artifact_dir=" + Images().root() + "/../artifacts"};
    for (const std::string command : {"serve", "migrate"}) {
      std::vector<std::string> arguments = {command};
      arguments.insert(arguments.end(), flags.begin(), flags.end());
      const ProgramResult result = RunServerProgram(arguments);
      EXPECT_GE(result.status, 2) << result.output;
      EXPECT_LE(result.status, 3) << result.output;
      EXPECT_THAT(result.output, HasSubstr("percent-encode"));
      EXPECT_THAT(result.output, Not(HasSubstr("s3c"))) << address;
      EXPECT_THAT(result.output, Not(HasSubstr("r3t"))) << address;
    }
  }
  const ProgramResult stray =
      RunServerProgram({"migrate", "--database", "host=127.0.0.1", "password=s3cr3t"});
  EXPECT_EQ(stray.status, 2);
  EXPECT_THAT(stray.output, Not(HasSubstr("s3c")));
}

}  // namespace
}  // namespace mgral::test
