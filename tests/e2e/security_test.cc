// API keys and the pools that they open, call by call.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "absl/strings/str_replace.h"
#include "tests/e2e/secure_server.h"

namespace mgral::test {
namespace {

using google::protobuf::MethodDescriptor;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Every method of every service of proto/mgral/v1: whoever adds one is tested too.
std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  const std::string root = std::string(getenv("MGRAL_SOURCE_DIR")) + "/proto";
  for (const auto& entry : std::filesystem::directory_iterator(root + "/mgral/v1")) {
    const std::string name = "mgral/v1/" + entry.path().filename().string();
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    EXPECT_NE(file, nullptr) << name << " is not linked into this test: name a message of it here";
    for (int s = 0; file != nullptr && s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(file->service(s)->method(m));
      }
    }
  }
  EXPECT_GE(methods.size(), 26u);
  return methods;
}

std::string NameOf(const MethodDescriptor* method) {
  return method->service()->full_name() + "/" + method->name();
}

// A request that names the pool, in whichever field that is, and would be good if it existed.
std::string RequestAbout(const MethodDescriptor* method, const std::string& pool) {
  static const auto* children = new std::map<std::string, std::string>{
      {"GetImage", "/images/img_00"}, {"GetBatch", "/batches/1"}, {"RenewBatch", "/batches/1"},
      {"ReleaseBatch", "/batches/1"}, {"GetCycle", "/cycles/1"},  {"WatchCycle", "/cycles/1"},
      {"CancelCycle", "/cycles/1"},   {"GetModel", "/models/1"}};
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> request(
      factory.GetPrototype(method->input_type())->New());
  const auto* fields = request->GetDescriptor();
  for (const char* field : {"name", "parent", "model"}) {
    const auto* descriptor = fields->FindFieldByName(field);
    const auto child = children->find(method->name());
    if (descriptor == nullptr) continue;
    request->GetReflection()->SetString(request.get(), descriptor,
                                        pool + (child == children->end() ? "" : child->second));
  }
  if (const auto* descriptor = fields->FindFieldByName("pool_id")) {
    request->GetReflection()->SetString(request.get(), descriptor, pool.substr(6));
  }
  for (const char* field : {"images", "labels"}) {
    const auto* descriptor = fields->FindFieldByName(field);
    if (descriptor != nullptr) request->GetReflection()->AddMessage(request.get(), descriptor);
  }
  return request->SerializeAsString();
}

class SecurityTest : public SecureServerTest {
 protected:
  void StartWithKeys() {
    server_ = Start({"--api_keys=" + folder_.Write("keys", all_.line + a_.line + b_.line)});
  }
  Api NewApi() { return Api(server_->NewChannel()); }
  static void UseKey(grpc::ClientContext* context, const TestKey& key) {
    context->AddMetadata("authorization", "Bearer " + key.key);
  }
  grpc::Status Create(const std::string& pool_id, const TestKey& key, v1::Pool* pool,
                      const std::string& request_id = "") {
    v1::CreatePoolRequest request;
    request.set_pool_id(pool_id);
    request.set_request_id(request_id);
    request.mutable_pool()->add_classes("cat");
    grpc::ClientContext context;
    UseKey(&context, key);
    return NewApi().pools->CreatePool(&context, request, pool);
  }
  grpc::Status List(const TestKey& key, std::string* token, std::vector<std::string>* names) {
    v1::ListPoolsRequest request;
    request.set_page_size(2);
    request.set_page_token(*token);
    v1::ListPoolsResponse response;
    grpc::ClientContext context;
    UseKey(&context, key);
    const grpc::Status status = NewApi().pools->ListPools(&context, request, &response);
    for (const v1::Pool& pool : response.pools()) names->push_back(pool.name());
    *token = response.next_page_token();
    return status;
  }
  grpc::Status Get(const std::string& pool, const TestKey& key) {
    v1::GetPoolRequest request;
    request.set_name(pool);
    v1::Pool response;
    grpc::ClientContext context;
    UseKey(&context, key);
    return NewApi().pools->GetPool(&context, request, &response);
  }

  const TestKey all_ = MakeKey("ops");
  const TestKey a_ = MakeKey("team-a", "a-*,shared");
  const TestKey b_ = MakeKey("team-b", "b-*,shared");
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(SecurityTest, EveryCallAsksForAKey) {
  StartWithKeys();
  for (const MethodDescriptor* method : AllMethods()) {
    SCOPED_TRACE(NameOf(method));
    const std::string request = RequestAbout(method, "pools/nobody");
    const auto channel = server_->NewChannel();
    ExpectRefused(CallAny(channel, NameOf(method), request, ""), StatusCode::UNAUTHENTICATED,
                  "API_KEY_MISSING", "", "authorization: Bearer KEY");
    const TestKey unknown = MakeKey("unknown");
    ExpectRefused(CallAny(channel, NameOf(method), request, unknown.key),
                  StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "", "does not know");
    EXPECT_NE(CallAny(channel, NameOf(method), request, all_.key).error_code(),
              StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(SecurityTest, AForeignPoolIsLikeOneThatDoesNotExist) {
  RegisterImages(MakePool(), 2);  // on the server without keys: the database is the same
  const std::string pool = "pools/t-aforeignpoolislikeonethatdoesnotexist";
  const std::string missing = "pools/t-aforeignpoolislikeonethatdoesnotexisx";
  v1::Batch batch;
  ASSERT_TRUE(Query(pool, 1, &batch).ok());
  StartWithKeys();
  const auto channel = server_->NewChannel();
  for (const MethodDescriptor* method : AllMethods()) {
    SCOPED_TRACE(NameOf(method));
    const auto call = [&](const std::string& about, const TestKey& key) {
      return CallAny(channel, NameOf(method), RequestAbout(method, about), key.key);
    };
    if (method->name() == "ListPools") continue;  // names no pool; has a test of its own
    if (method->name() == "CreatePool") {
      for (const std::string& one : {pool, missing}) {
        ExpectRefused(call(one, a_), StatusCode::PERMISSION_DENIED, "POOL_OUT_OF_SCOPE", "",
                      "choose a pool_id among shared, a-*");
      }
      continue;
    }
    const grpc::Status foreign = call(pool, a_);
    const grpc::Status none = call(missing, all_);
    EXPECT_EQ(foreign.error_code(), StatusCode::NOT_FOUND) << foreign.error_message();
    EXPECT_EQ(foreign.error_message(),
              absl::StrReplaceAll(none.error_message(), {{missing, pool}}));
    EXPECT_EQ(foreign.error_details(),
              absl::StrReplaceAll(none.error_details(), {{missing, pool}}));
  }
  EXPECT_EQ(GetPool(pool).counts().leased(), 1);  // nothing came through
}

TEST_F(SecurityTest, ListsOnlyPoolsInScopePageByPage) {
  StartWithKeys();
  v1::Pool pool;
  for (const std::string id : {"a-1", "b-1", "b-2", "a-2", "shared", "b-3", "a-3", "ab", "c"}) {
    ASSERT_TRUE(Create(id, all_, &pool).ok()) << id;
  }
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    ASSERT_TRUE(List(a_, &token, &names).ok());
    ++pages;
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("pools/a-1", "pools/a-2", "pools/shared", "pools/a-3"));
  EXPECT_EQ(pages, 2);

  // The token of another key's listing opens nothing.
  ASSERT_TRUE(List(b_, &token, &names).ok());
  names.clear();
  do {
    ASSERT_TRUE(List(a_, &token, &names).ok());
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("pools/a-2", "pools/shared", "pools/a-3"));
  EXPECT_TRUE(Get("pools/a-1", a_).ok());
  EXPECT_EQ(Get("pools/ab", a_).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(SecurityTest, AKeysRequestIdsAreItsOwn) {
  StartWithKeys();
  v1::Pool first, second;
  ASSERT_TRUE(Create("", all_, &first, "same").ok());
  const TestKey other = MakeKey("other-ops");
  folder_.Write("keys", all_.line + a_.line + b_.line + other.line);
  WaitUntil("the new key counts", [&] { return Get(first.name(), other).ok(); });
  ASSERT_TRUE(Create("", other, &second, "same").ok());
  EXPECT_NE(first.name(), second.name());
  // Nor does one key hear that another has used the request_id for something else.
  EXPECT_TRUE(Create("a-mine", a_, &second, "same").ok());
  ExpectRefused(Create("", a_, &second, "more"), StatusCode::PERMISSION_DENIED, "POOL_OUT_OF_SCOPE",
                "", "without a pool_id");
}

TEST_F(SecurityTest, RefusesMetadataThatIsNoKey) {
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

TEST_F(SecurityTest, KeysAreTakenAgainAndABrokenFileChangesNothing) {
  StartWithKeys();
  folder_.Write("keys", a_.line + "team-b tooshort\n");
  WaitUntil("the broken file is in the log",
            [&] { return server_->log().find("line 2: the second word") != std::string::npos; });
  EXPECT_NE(Get("pools/nobody", all_).error_code(), StatusCode::UNAUTHENTICATED);
  folder_.Write("keys", "");
  WaitUntil("the empty file is in the log",
            [&] { return server_->log().find("holds no key") != std::string::npos; });
  EXPECT_NE(Get("pools/nobody", all_).error_code(), StatusCode::UNAUTHENTICATED);
  folder_.Write("keys", a_.line);
  WaitUntil("the key is taken back",
            [&] { return Get("pools/nobody", all_).error_code() == StatusCode::UNAUTHENTICATED; });
  EXPECT_EQ(Get("pools/nobody", a_).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(SecurityTest, AStreamEndsWhenItsKeyIsTakenBack) {
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
  WaitUntil("the key is taken back",
            [&] { return Get(pool.name(), b_).error_code() == StatusCode::UNAUTHENTICATED; });
  request.mutable_images(0)->set_image_id("two");
  stream->Write(request);
  EXPECT_FALSE(stream->Read(&response));
  ExpectRefused(stream->Finish(), StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "", "taken back");
  EXPECT_EQ(ListImages(pool.name()).size(), 1u);
}

TEST_F(SecurityTest, AnExportEndsWhenItsKeyIsTakenBack) {
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
  grpc::ClientContext registering, labelling, exporting;
  for (grpc::ClientContext* context : {&registering, &labelling, &exporting}) UseKey(context, b_);
  v1::BatchRegisterImagesResponse registered;
  ASSERT_TRUE(api.pools->BatchRegisterImages(&registering, images, &registered).ok());
  v1::BatchIngestLabelsResponse ingested;
  const grpc::Status stored = api.labels->BatchIngestLabels(&labelling, labels, &ingested);
  ASSERT_TRUE(stored.ok()) << stored.error_message();
  v1::ExportLabelsRequest request;
  request.set_parent(pool.name());
  const auto stream = api.labels->ExportLabels(&exporting, request);
  v1::ExportLabelsResponse piece;
  ASSERT_TRUE(stream->Read(&piece));
  folder_.Write("keys", all_.line);
  WaitUntil("the key is taken back",
            [&] { return Get(pool.name(), b_).error_code() == StatusCode::UNAUTHENTICATED; });
  while (stream->Read(&piece)) {
  }
  ExpectRefused(stream->Finish(), StatusCode::UNAUTHENTICATED, "API_KEY_INVALID", "", "taken back");
}

TEST_F(SecurityTest, TheLogNamesKeysAndNeverShowsThem) {
  StartWithKeys();
  const TestKey unknown = MakeKey("unknown");
  Get("pools/nobody", a_);
  Get("pools/nobody", unknown);
  const std::string log = server_->log();
  EXPECT_THAT(log, HasSubstr("\"key\":\"team-a\""));
  for (const TestKey& key : {a_, unknown}) EXPECT_THAT(log, Not(HasSubstr(key.key.substr(6))));
}

TEST_F(SecurityTest, HealthAsksForNoKey) {
  StartWithKeys();
  const ProgramResult health = RunServerProgram({"healthcheck", "--target=" + server_->target()},
                                                {{"MGRAL_API_KEYS", folder_.Path("keys")}});
  EXPECT_EQ(health.status, 0) << health.output;
}

TEST_F(SecurityTest, MakesAKeyThatItTakes) {
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

TEST_F(SecurityTest, RefusesToStartWithAFileThatIsNone) {
  const auto refuse = [&](const std::string& path, const std::string& words) {
    const ProgramResult result = FailToStart({"--api_keys=" + path});
    EXPECT_EQ(result.status, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr("api_keys " + path));
    EXPECT_THAT(result.output, HasSubstr(words));
  };
  refuse(folder_.Path("nowhere"), "No such file");
  refuse(folder_.Path(""), "is not a regular file");
  refuse(folder_.Write("empty", "# nothing yet\n"), "holds no key");
  refuse(folder_.Write("wrong", a_.line + "\n# b\nteam b\n"), "line 4: ");
  refuse(folder_.Write("long", std::string((1 << 20) + 1, '#')), "longer than 1 MiB");
}

}  // namespace
}  // namespace mgral::test
