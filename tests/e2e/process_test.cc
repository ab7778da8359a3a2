// The server as a process: overload, draining, signals, health, its command line.
#include <chrono>
#include <map>
#include <thread>

#include "server/main/healthcheck.h"
#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

class ProcessTest : public ApiTest {};

TEST_F(ProcessTest, TooManyStreamsAreRefusedWithAHintWhenToTryAgain) {
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

TEST_F(ProcessTest, SigtermEndsItInOrder) {
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

TEST_F(ProcessTest, HealthFollowsTheDatabase) {
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

TEST_F(ProcessTest, CommandLineMistakesAreExplained) {
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
  // The folder is Database()'s by now.
  result = run({database, "--artifact_dir=" + Images().root() + "/../artifacts"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("artifacts belongs to PostgreSQL's cluster"));
}

// Where libpq cannot read the address, its error quotes it; also what it was read as.
TEST_F(ProcessTest, ThePasswordOfTheDatabaseIsInNoMessage) {
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
