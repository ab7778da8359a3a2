// API keys: how they are sent, read from their file, revoked, made, and kept out of the log.
#include "tests/e2e/api_keys.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ApiKeysTest, RefusesMetadataThatIsNoKey) {
  StartWithKeys();
  const auto refuse = [&](const std::vector<std::string>& headers) {
    grpc::ClientContext context;
    for (const std::string& header : headers) context.AddMetadata("authorization", header);
    v1::ListPoolsResponse response;
    const auto status = NewApi().pools->ListPools(&context, v1::ListPoolsRequest(), &response);
    ExpectRefused(status, StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "");
    EXPECT_THAT(status.error_message(), Not(HasSubstr(all_.key)));
  };
  refuse({all_.key});
  refuse({"Basic " + all_.key});
  refuse({"Bearer"});
  refuse({"Bearer " + all_.key + "x"});
  refuse({"Bearer " + all_.key.substr(1)});
  refuse({"Bearer " + all_.line.substr(4, 64)});  // its hash
  refuse({"Bearer " + all_.key, "Bearer " + all_.key});
  refuse({"Bearer " + std::string(4000, 'a')});
}

TEST_F(ApiKeysTest, KeysAreTakenAgainAndABrokenFileChangesNothing) {
  StartWithKeys();
  folder_.Write("keys", a_.line + "team-b tooshort\n");
  WaitUntil("the broken file is in the log",
            [&] { return server_->log().find("line 2: the second word") != std::string::npos; });
  EXPECT_NE(Get("pools/nobody", all_).error_code(), StatusCode::UNAUTHENTICATED);
  folder_.Write("keys", "");
  WaitUntil("the empty file is in the log",
            [&] { return server_->log().find("contains no key") != std::string::npos; });
  EXPECT_NE(Get("pools/nobody", all_).error_code(), StatusCode::UNAUTHENTICATED);
  folder_.Write("keys", a_.line);
  WaitUntil("the key is revoked",
            [&] { return Get("pools/nobody", all_).error_code() == StatusCode::UNAUTHENTICATED; });
  EXPECT_EQ(Get("pools/nobody", a_).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ApiKeysTest, AStreamEndsWhenItsKeyIsTakenBack) {
  StartWithKeys();
  v1::Pool pool;
  ASSERT_TRUE(Create("b-stream", b_, &pool).ok());
  Api api = NewApi();
  grpc::ClientContext context;
  UseKey(&context, b_);
  const auto stream = api.pools->RegisterImages(&context);
  v1::RegisterImagesRequest request;
  v1::RegisterImagesResponse response;
  request.set_parent(pool.name());
  *request.add_images() = PathImage("one", ImageFolder::Name(0));
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.registered(), 1);
  folder_.Write("keys", all_.line);
  WaitUntil("the key is revoked",
            [&] { return Get(pool.name(), b_).error_code() == StatusCode::UNAUTHENTICATED; });
  request.mutable_images(0)->set_image_id("two");
  stream->Write(request);
  EXPECT_FALSE(stream->Read(&response));
  ExpectRefused(stream->Finish(), StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "", "revoked");
  EXPECT_EQ(ListImages(pool.name()).size(), 1u);
}

TEST_F(ApiKeysTest, AnExportEndsWhenItsKeyIsTakenBack) {
  StartWithKeys();
  v1::Pool pool;
  ASSERT_TRUE(Create("b-export", b_, &pool).ok());
  Api api = NewApi();
  v1::BatchRegisterImagesRequest images;
  v1::BatchIngestLabelsRequest labels;
  images.set_parent(pool.name());
  labels.set_parent(pool.name());
  // Far more than what gRPC sends ahead of a client that doesn't read.
  for (int i = 0; i < 300; ++i) {
    const std::string id = "image-" + std::to_string(i);
    *images.add_images() = PathImage(id, ImageFolder::Name(0));
    v1::NewLabels* const label = labels.add_labels();
    label->set_image_id(id);
    for (int b = 0; b < 300; ++b) {
      v1::Box* const box = label->add_boxes();
      box->set_x_min(1);
      box->set_y_min(1);
      box->set_width(2);
      box->set_height(2);
      box->set_class_name(pool.classes(0));
    }
  }
  grpc::ClientContext registering, labeling, exporting;
  for (grpc::ClientContext* context : {&registering, &labeling, &exporting}) UseKey(context, b_);
  v1::BatchRegisterImagesResponse registered;
  ASSERT_TRUE(api.pools->BatchRegisterImages(&registering, images, &registered).ok());
  v1::BatchIngestLabelsResponse ingested;
  const grpc::Status stored = api.labels->BatchIngestLabels(&labeling, labels, &ingested);
  ASSERT_TRUE(stored.ok()) << stored.error_message();
  v1::ExportLabelsRequest request;
  request.set_parent(pool.name());
  const auto stream = api.labels->ExportLabels(&exporting, request);
  v1::ExportLabelsResponse piece;
  ASSERT_TRUE(stream->Read(&piece));
  folder_.Write("keys", all_.line);
  WaitUntil("the key is revoked",
            [&] { return Get(pool.name(), b_).error_code() == StatusCode::UNAUTHENTICATED; });
  while (stream->Read(&piece)) {
  }
  ExpectRefused(stream->Finish(), StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "", "revoked");
}

TEST_F(ApiKeysTest, TheLogNamesKeysAndNeverShowsThem) {
  StartWithKeys();
  const TestKey unknown = MakeKey("unknown");
  Get("pools/nobody", a_);
  Get("pools/nobody", unknown);
  const std::string log = server_->log();
  EXPECT_THAT(log, HasSubstr("\"key\":\"team-a\""));
  for (const TestKey& key : {a_, unknown}) EXPECT_THAT(log, Not(HasSubstr(key.key.substr(6))));
}

TEST_F(ApiKeysTest, HealthAsksForNoKey) {
  StartWithKeys();
  const ProgramResult health = RunServerProgram({"healthcheck", "--target=" + server_->target()},
                                                {{"MGRAL_API_KEYS", folder_.Path("keys")}});
  EXPECT_EQ(health.status, 0) << health.output;
}

TEST_F(ApiKeysTest, MakesAKeyThatItTakes) {
  const ProgramResult made = RunServerProgram({"key", "team-a", "--pools=a-*"});
  ASSERT_EQ(made.status, 0);
  const size_t end = made.output.find('\n');
  const TestKey key = {made.output.substr(0, end), made.output.substr(end + 1)};
  EXPECT_THAT(key.line, ::testing::MatchesRegex("team-a [0-9a-f]+ a-\\*\n"));
  server_ = Start({"--api_keys=" + folder_.Write("keys", key.line)});
  EXPECT_EQ(Get("pools/a-nothing", key).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(RunServerProgram({"key"}).status, 2);
  EXPECT_EQ(RunServerProgram({"key", "a b"}).status, 2);
  EXPECT_EQ(RunServerProgram({"key", "a", "--pools=A"}).status, 2);
  EXPECT_EQ(RunServerProgram({"key", "a", "b"}).status, 2);
}

TEST_F(ApiKeysTest, RefusesToStartWithAFileThatIsNone) {
  const auto refuse = [&](const std::string& path, const std::string& words) {
    const ProgramResult result = FailToStart({"--api_keys=" + path});
    EXPECT_EQ(result.status, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr("api_keys " + path));
    EXPECT_THAT(result.output, HasSubstr(words));
  };
  refuse(folder_.Path("nowhere"), "No such file");
  refuse(folder_.Path(""), "is not a regular file");
  refuse(folder_.Write("empty", "# nothing yet\n"), "contains no key");
  refuse(folder_.Write("wrong", a_.line + "\n# b\nteam b\n"), "line 4: ");
  refuse(folder_.Write("long", std::string((1 << 20) + 1, '#')), "longer than 1 MiB");
}

}  // namespace
}  // namespace mgral::test
