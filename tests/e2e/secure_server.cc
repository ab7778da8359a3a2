#include "tests/e2e/secure_server.h"

#include <grpcpp/generic/generic_stub.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/rpc/api_keys.h"

namespace mgral::test {

namespace fs = std::filesystem;

TestFolder::TestFolder() {
  folder_ = (fs::temp_directory_path() / "mgral-secure-XXXXXX").string();
  if (mkdtemp(&folder_[0]) == nullptr) abort();
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string TestFolder::Write(const std::string& name, const std::string& content) const {
  const std::string temporary = Path(name + ".new");
  std::ofstream(temporary, std::ios::binary) << content;
  if (std::rename(temporary.c_str(), Path(name).c_str()) != 0) abort();
  return Path(name);
}

TestKey MakeKey(const std::string& name, const std::string& pools) {
  const auto made = rpc::MakeApiKey(name, pools);
  EXPECT_TRUE(made.ok()) << made.status();
  return {made->key, made->line + "\n"};
}

std::unique_ptr<ServerProcess> SecureServerTest::Start(const std::vector<std::string>& flags) {
  std::vector<std::string> all = Flags(Database().conninfo());
  all.insert(all.end(), flags.begin(), flags.end());
  return std::make_unique<ServerProcess>(ServerProcess::Options{all, {}});
}

ProgramResult SecureServerTest::FailToStart(const std::vector<std::string>& flags) {
  std::vector<std::string> all = {"--listen=127.0.0.1:0", "--metrics_listen=", "--roles=api",
                                  "--database=host=/nowhere", "--database_timeout=0s"};
  all.insert(all.end(), flags.begin(), flags.end());
  return RunServerProgram(all);
}

void SecureServerTest::WaitUntil(const std::string& what, const std::function<bool()>& so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!so()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "never: " << what;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between looks
  }
}

grpc::Status CallAny(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& message, const std::string& key) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(&context, "/" + method, &queue);
  const auto done = [&] { return queue.Next(&tag, &ok) && ok; };
  const grpc::Slice slice(message);
  grpc::ByteBuffer answer;
  call->StartCall(nullptr);
  bool going = done();
  if (going) {
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    going = done();
  }
  while (going) {
    call->Read(&answer, nullptr);
    going = done();
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  done();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return status;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target, const std::string& authority,
                                       const Identity& identity) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!authority.empty()) {
    credentials = grpc::SslCredentials({authority, identity.key, identity.certificate});
  }
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

}  // namespace mgral::test
