// Every call asks for a key, which opens the pools of its scope and no other.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "absl/strings/str_replace.h"
#include "tests/e2e/api_keys.h"

namespace mgral::test {
namespace {

using google::protobuf::MethodDescriptor;
using grpc::StatusCode;
using ::testing::ElementsAre;

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
      {"CancelCycle", "/cycles/1"},   {"GetModel", "/models/1"},  {"RollbackModel", "/models/1"}};
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

using PoolScopeTest = ApiKeysTest;

TEST_F(PoolScopeTest, EveryCallAsksForAKey) {
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

TEST_F(PoolScopeTest, AForeignPoolIsLikeOneThatDoesNotExist) {
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

TEST_F(PoolScopeTest, ListsOnlyPoolsInScopePageByPage) {
  // Pools of their own: other tests leave some of team-a's and team-b's.
  const TestKey x = MakeKey("team-x", "x-*,both"), y = MakeKey("team-y", "y-*,both");
  server_ = Start({"--api_keys=" + folder_.Write("keys", all_.line + x.line + y.line)});
  v1::Pool pool;
  for (const std::string id : {"x-1", "y-1", "y-2", "x-2", "both", "y-3", "x-3", "xy", "z"}) {
    ASSERT_TRUE(Create(id, all_, &pool).ok()) << id;
  }
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    ASSERT_TRUE(List(x, &token, &names).ok());
    ++pages;
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("pools/x-1", "pools/x-2", "pools/both", "pools/x-3"));
  EXPECT_EQ(pages, 2);

  // The token of another key's listing opens nothing.
  ASSERT_TRUE(List(y, &token, &names).ok());
  names.clear();
  do {
    ASSERT_TRUE(List(x, &token, &names).ok());
  } while (!token.empty());
  EXPECT_THAT(names, ElementsAre("pools/x-2", "pools/both", "pools/x-3"));
  EXPECT_TRUE(Get("pools/x-1", x).ok());
  EXPECT_EQ(Get("pools/xy", x).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(PoolScopeTest, AKeysRequestIdsAreItsOwn) {
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

}  // namespace
}  // namespace mgral::test
