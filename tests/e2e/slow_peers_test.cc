// Peers that are slow or silent: whoever waits for them keeps neither other callers nor the drain
// waiting.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/api.h"
#include "tests/support/image_server.h"
#include "tests/support/loopback.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;

// How long what needs no slow peer may take here: far above what it does, far below what the slow
// ones hold.
constexpr std::chrono::seconds kPrompt(8);

std::string MetricsPage(int port) { return Ask(port, "GET /metrics HTTP/1.0\r\n\r\n"); }

// The processes of PostgreSQL that answer mgral; still while it exists.
class Frozen {
 public:
  explicit Frozen(const TestDatabase& database) {
    std::istringstream pids(
        database.Query("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity "
                       "WHERE datname = current_database() AND application_name = 'mgral'"));
    for (pid_t pid; pids >> pid;) {
      kill(pid, SIGSTOP);
      pids_.push_back(pid);
    }
    EXPECT_FALSE(pids_.empty());
  }
  ~Frozen() {
    for (const pid_t pid : pids_) kill(pid, SIGCONT);
  }

 private:
  std::vector<pid_t> pids_;
};

class SlowPeersTest : public ApiTest {
 protected:
  SlowPeersTest()
      : images_(
            std::map<std::string, std::string>{{"/a.png", Images().Bytes(ImageFolder::Name(0))}}) {}

  std::vector<std::string> Flags() const {
    auto flags = ApiTest::Flags(Database().conninfo());
    flags.push_back("--uri_prefixes=" + images_.Uri("/"));
    flags.push_back("--decoders=2");
    flags.push_back("--drain_timeout=2s");
    return flags;
  }
  v1::NewImage UriImage(const std::string& image_id, const std::string& path) const {
    v1::NewImage image;
    image.set_image_id(image_id);
    image.mutable_source()->set_uri(images_.Uri(path));
    return image;
  }
  v1::BatchRegisterImagesRequest Slow(const std::string& pool, int count) const {
    v1::BatchRegisterImagesRequest request;
    request.set_parent(pool);
    for (int i = 0; i < count; ++i) {
      const std::string id = "slow_" + std::to_string(i);
      *request.add_images() = UriImage(id, (i % 2 == 0 ? "/drip/" : "/silent/") + id);
    }
    return request;
  }
  // Registers an image of the folder; gives how long that took.
  Clock::duration RegisterGood(Api* api, const std::string& pool, const std::string& id) {
    v1::BatchRegisterImagesRequest request;
    request.set_parent(pool);
    *request.add_images() = PathImage(id, ImageFolder::Name(1));
    v1::BatchRegisterImagesResponse response;
    const auto start = Clock::now();
    grpc::Status status;
    do {  // a call that was given up may be about to leave its place
      grpc::ClientContext context;
      status = api->pools->BatchRegisterImages(&context, request, &response);
    } while (status.error_code() == StatusCode::RESOURCE_EXHAUSTED &&
             Clock::now() - start < kPrompt);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.registered(), 1);
    return Clock::now() - start;
  }

  ImageServer images_;
};

TEST_F(SlowPeersTest, CallsThatAreGivenUpGiveTheirPlacesBack) {
  auto flags = Flags();
  flags.push_back("--max_in_flight=8");
  ServerProcess server({flags, {}});
  const std::string pool = MakePool();
  Api api(server.NewChannel());
  for (const bool deadline : {true, false}) {
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::thread> callers;
    const v1::BatchRegisterImagesRequest slow = Slow(pool, 100);
    for (int i = 0; i < 8; ++i) {
      contexts.push_back(std::make_unique<grpc::ClientContext>());
      if (deadline) {
        contexts.back()->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(4));
      }
      callers.emplace_back([&, context = contexts.back().get()] {
        v1::BatchRegisterImagesResponse response;
        const auto code =
            Api(server.NewChannel()).pools->BatchRegisterImages(context, slow, &response);
        EXPECT_EQ(code.error_code(),
                  deadline ? StatusCode::DEADLINE_EXCEEDED : StatusCode::CANCELLED);
      });
    }
    EXPECT_TRUE(images_.WaitForSlowAtLeast(16)) << "as many as one host may have";
    if (!deadline) {
      for (const auto& context : contexts) context->TryCancel();
    }
    for (std::thread& caller : callers) caller.join();
    const auto start = Clock::now();
    EXPECT_TRUE(images_.WaitForSlow(0)) << "their transfers are closed";
    EXPECT_LT(RegisterGood(&api, pool, deadline ? "a" : "b"), kPrompt);
    EXPECT_LT(Clock::now() - start, kPrompt);
  }
  EXPECT_EQ(server.Terminate(), 0);
}

TEST_F(SlowPeersTest, ACallOfSlowAddressesDelaysNobodyAndEnds) {
  ServerProcess server({Flags(), {}});
  const std::string slow_pool = MakePool("slow"), good_pool = MakePool("good");
  auto slow = std::async(std::launch::async, [&] {
    v1::BatchRegisterImagesResponse response;
    grpc::ClientContext context;
    return Api(server.NewChannel())
        .pools->BatchRegisterImages(&context, Slow(slow_pool, 1000), &response);
  });
  EXPECT_TRUE(images_.WaitForSlowAtLeast(8));
  Api api(server.NewChannel());
  for (int i = 0; i < 3; ++i) {
    EXPECT_LT(RegisterGood(&api, good_pool, "good_" + std::to_string(i)), kPrompt);
  }
  // One call has not all places of its host.
  v1::BatchRegisterImagesRequest request;
  request.set_parent(good_pool);
  *request.add_images() = UriImage("fetched", "/a.png");
  v1::BatchRegisterImagesResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(api.pools->BatchRegisterImages(&context, request, &response).ok());
  EXPECT_EQ(images_.most_slow(), 8u);
  // No deadline, and still no thousand times the patience with one.
  ExpectRefused(slow.get(), StatusCode::UNAVAILABLE, "UNAVAILABLE", "", "too slow");
  EXPECT_THAT(ListImages(slow_pool), testing::IsEmpty());
}

TEST_F(SlowPeersTest, SigtermEndsItInTimeWhateverIsOpen) {
  ServerProcess server({Flags(), {}});
  const std::string pool = MakePool();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      v1::BatchRegisterImagesResponse response;
      grpc::ClientContext context;
      EXPECT_FALSE(Api(server.NewChannel())
                       .pools->BatchRegisterImages(&context, Slow(pool, 50), &response)
                       .ok());
    });
  }
  EXPECT_TRUE(images_.WaitForSlowAtLeast(16));
  std::vector<int> drips;
  for (int i = 0; i < 200; ++i) {
    drips.push_back(Connect(server.metrics_port()));
    send(drips.back(), "GET /metrics HTTP/1.1\r\nX", 24, MSG_NOSIGNAL);
  }
  EXPECT_THAT(MetricsPage(server.metrics_port()), HasSubstr("mgral_rpc_in_flight"));
  const auto start = Clock::now();
  EXPECT_EQ(server.Terminate(), 0) << server.log();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(2) + kPrompt);
  EXPECT_THAT(server.log(), HasSubstr("drained"));
  for (std::thread& caller : callers) caller.join();
  for (const int drip : drips) close(drip);
}

TEST_F(SlowPeersTest, SigtermEndsItInTimeWhenTheDatabaseSaysNothing) {
  const auto database = TestDatabase::Create();
  auto flags = ApiTest::Flags(database->conninfo());
  flags.push_back("--drain_timeout=1s");
  ServerProcess server({flags, {}});
  const Frozen frozen(*database);
  std::thread caller([&] {
    v1::ListPoolsResponse pools;
    grpc::ClientContext context;
    EXPECT_FALSE(
        Api(server.NewChannel()).pools->ListPools(&context, v1::ListPoolsRequest(), &pools).ok());
  });
  const auto start = Clock::now();
  const std::string in_flight = "\nmgral_rpc_in_flight{kind=\"unary\"} 1";
  while (MetricsPage(server.metrics_port()).find(in_flight) == std::string::npos &&
         Clock::now() - start < std::chrono::minutes(1)) {
  }
  const auto terminated = Clock::now();
  EXPECT_EQ(server.Terminate(), 0) << server.log();
  EXPECT_LT(Clock::now() - terminated, std::chrono::seconds(1 + 3) + kPrompt);
  EXPECT_THAT(server.log(), HasSubstr("some calls or connections did not end"));
  caller.join();
}

}  // namespace
}  // namespace mgral::test
