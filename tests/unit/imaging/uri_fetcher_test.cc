#include "server/imaging/uri_fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/domain/image_fault.h"
#include "tests/support/image_server.h"

namespace mgral::imaging {
namespace {

using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

// Far above what a busy machine needs to notice something.
constexpr absl::Duration kSoon = absl::Seconds(20);

class UriFetcherTest : public ::testing::Test {
 protected:
  UriFetcherTest() {
    limits_.prefixes = {server_.Uri("/")};
    limits_.timeout = absl::Hours(1);  // unless a test is about them, limits are far away
    limits_.low_speed_time = absl::Hours(1);
  }
  using Fetched = std::future<absl::StatusOr<std::string>>;
  static Fetched Start(UriFetcher* fetcher, const domain::CallContext& call,
                       const std::string& uri) {
    return std::async(std::launch::async, [=] { return fetcher->Fetch(call, uri); });
  }
  static bool Ends(const Fetched& fetched) {
    return fetched.wait_for(absl::ToChronoMilliseconds(kSoon)) == std::future_status::ready;
  }

  test::ImageServer server_{Files{{"/a.png", "bytes"}}};
  FetchLimits limits_;
};

TEST_F(UriFetcherTest, FetchesWhatIsThere) {
  UriFetcher fetcher(limits_);
  EXPECT_EQ(*fetcher.Fetch({}, server_.Uri("/a.png")), "bytes");
  const absl::Status missing = fetcher.Fetch({}, server_.Uri("/b.png")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::FieldViolations(missing).at(0).field, "source.uri");
  const absl::Status broken = fetcher.Fetch({}, server_.Uri("/broken")).status();
  EXPECT_EQ(broken.code(), absl::StatusCode::kUnavailable);
  EXPECT_GT(base::RetryAfter(broken), absl::ZeroDuration());
}

TEST_F(UriFetcherTest, AnErrorSaysWhetherItMayPass) {
  UriFetcher fetcher(limits_);
  const auto fault = [&](const std::string& uri) {
    const absl::Status status = fetcher.Fetch({}, uri).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return domain::FaultOf(status);
  };
  for (const char* status : {"408", "425", "429"}) {
    EXPECT_EQ(fault(server_.Uri("/status/") + status), domain::ImageFault::kUnreachable);
  }
  for (const char* status : {"302", "401", "403", "404", "410"}) {
    EXPECT_EQ(fault(server_.Uri("/status/") + status), domain::ImageFault::kMissing);
  }
  EXPECT_EQ(fault("http://elsewhere.example/a.png"), domain::ImageFault::kConfiguration);
  EXPECT_EQ(domain::FaultOf(fetcher.Fetch({}, server_.Uri("/broken")).status()),
            domain::ImageFault::kUnreachable);
  limits_.max_bytes = 2;
  UriFetcher narrow(limits_);
  EXPECT_EQ(domain::FaultOf(narrow.Fetch({}, server_.Uri("/a.png")).status()),
            domain::ImageFault::kContent);
}

TEST_F(UriFetcherTest, EndsWhenTheCallIsCanceled) {
  UriFetcher fetcher(limits_);
  for (const char* path : {"/drip/a.png", "/silent/a.png"}) {
    std::atomic<bool> canceled{false};
    domain::CallContext call;
    call.canceled = [&] { return canceled.load(); };
    const std::string uri = server_.Uri(path);
    Fetched fetched = Start(&fetcher, call, uri);
    EXPECT_TRUE(server_.WaitForSlow(1));
    canceled = true;
    ASSERT_TRUE(Ends(fetched)) << path;
    EXPECT_TRUE(absl::IsCancelled(fetched.get().status()));
    EXPECT_TRUE(server_.WaitForSlow(0)) << "the connection is closed";
  }
}

TEST_F(UriFetcherTest, EndsAtTheCallsDeadline) {
  UriFetcher fetcher(limits_);
  domain::CallContext call;
  call.deadline = absl::Now() + absl::Milliseconds(200);
  Fetched fetched = Start(&fetcher, call, server_.Uri("/drip/a.png"));
  ASSERT_TRUE(Ends(fetched));
  EXPECT_TRUE(absl::IsDeadlineExceeded(fetched.get().status()));
}

TEST_F(UriFetcherTest, EndsWithTheServer) {
  UriFetcher fetcher(limits_);
  Fetched fetched = Start(&fetcher, {}, server_.Uri("/drip/a.png"));
  EXPECT_TRUE(server_.WaitForSlow(1));
  fetcher.Stop();
  ASSERT_TRUE(Ends(fetched));
  EXPECT_TRUE(absl::IsCancelled(fetched.get().status()));
  EXPECT_TRUE(absl::IsCancelled(fetcher.Fetch({}, server_.Uri("/a.png")).status()));
}

TEST_F(UriFetcherTest, EndsWhereTooLittleComes) {
  limits_.low_speed_time = absl::Seconds(1);
  UriFetcher fetcher(limits_);
  for (const char* path : {"/drip/a.png", "/silent/a.png"}) {
    Fetched fetched = Start(&fetcher, {}, server_.Uri(path));
    ASSERT_TRUE(Ends(fetched)) << path;
    const absl::Status status = fetched.get().status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("too slow"));
  }
}

TEST_F(UriFetcherTest, OneHostHasSoManyPlaces) {
  test::ImageServer other(Files{{"/a.png", "others"}});
  limits_.prefixes.push_back(other.Uri("/"));
  limits_.per_host = 2;
  UriFetcher fetcher(limits_);
  std::atomic<bool> canceled{false};
  domain::CallContext slow;
  slow.canceled = [&] { return canceled.load(); };
  std::vector<Fetched> fetched;
  for (int i = 0; i < 6; ++i) {
    fetched.push_back(Start(&fetcher, slow, server_.Uri("/drip/" + std::to_string(i))));
  }
  EXPECT_TRUE(server_.WaitForSlow(2));
  // Another host's images don't wait for them.
  EXPECT_EQ(*fetcher.Fetch({}, other.Uri("/a.png")), "others");
  // Who waits for a place does so until its own call's end.
  domain::CallContext short_of_time;
  short_of_time.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(fetcher.Fetch(short_of_time, server_.Uri("/a.png")).status()));
  EXPECT_EQ(server_.most_slow(), 2u);
  // Calls that are given up give their places back.
  canceled = true;
  for (Fetched& one : fetched) {
    ASSERT_TRUE(Ends(one));
    EXPECT_TRUE(absl::IsCancelled(one.get().status()));
  }
  EXPECT_EQ(*fetcher.Fetch({}, server_.Uri("/a.png")), "bytes");
}

TEST_F(UriFetcherTest, AllHostsTogetherHaveSoManyPlaces) {
  test::ImageServer other;
  limits_.prefixes.push_back(other.Uri("/"));
  limits_.total = 1;
  UriFetcher fetcher(limits_);
  Fetched first = Start(&fetcher, {}, other.Uri("/drip/a.png"));
  EXPECT_TRUE(other.WaitForSlow(1));
  domain::CallContext short_of_time;
  short_of_time.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(fetcher.Fetch(short_of_time, server_.Uri("/a.png")).status()));
  fetcher.Stop();
  EXPECT_TRUE(Ends(first));
}

}  // namespace
}  // namespace mgral::imaging
