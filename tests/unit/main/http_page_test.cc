#include "server/main/http_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/loopback.h"

namespace mgral::server {
namespace {

using test::Ask;
using test::Connect;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(HttpPageTest, ServesOnePage) {
  const std::string big(1 << 20, 'x');
  const auto page =
      HttpPage::Listen("127.0.0.1:0", "/metrics", "text/plain", [&] { return big + "end"; });
  ASSERT_TRUE(page.ok()) << page.status();
  const int port = (*page)->port();
  EXPECT_GT(port, 0);
  const std::string answer = Ask(port, "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer.substr(0, 200), HasSubstr("Content-Length: 1048579\r\n"));
  EXPECT_THAT(answer, EndsWith("xend"));
  EXPECT_THAT(Ask(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask(port, "POST / HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404"));
}

TEST(HttpPageTest, TakesGetAndHeadOnly) {
  const auto page =
      HttpPage::Listen("127.0.0.1:0", "/metrics", "text/plain", [] { return "content"; });
  ASSERT_TRUE(page.ok());
  const int port = (*page)->port();
  for (const std::string request :
       {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "NONSENSE /metrics HTTP/1.0\r\n\r\n"}) {
    EXPECT_THAT(Ask(port, request),
                AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("\r\nAllow: GET, HEAD\r\n")))
        << request;
  }
  EXPECT_THAT(
      Ask(port, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Length: 7\r\n"), EndsWith("\r\n\r\n")));
}

TEST(HttpPageTest, AHeadThatIsTooLongIsRefused) {
  const auto page = HttpPage::Listen("127.0.0.1:0", "/metrics", "text/plain", [] { return "ok"; });
  ASSERT_TRUE(page.ok());
  const std::string twenty_kib(20 << 10, 'x');
  EXPECT_THAT(Ask((*page)->port(), "GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + twenty_kib),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Ask((*page)->port(), "GET /" + twenty_kib), StartsWith("HTTP/1.1 414"));
}

// Nobody who is slow keeps another from the page, however many they are.
TEST(HttpPageTest, AnswersWhileManyDrip) {
  HttpPageLimits limits;
  limits.deadline = std::chrono::hours(1);
  limits.max_connections = 20;
  auto page = HttpPage::Listen(
      "127.0.0.1:0", "/metrics", "text/plain", [] { return "ok"; }, limits);
  ASSERT_TRUE(page.ok());
  std::vector<int> drips;
  for (int i = 0; i < 200; ++i) {
    drips.push_back(Connect((*page)->port()));
    send(drips.back(), "GET /met", 8, MSG_NOSIGNAL);
  }
  for (int i = 0; i < 3; ++i) {
    for (const int drip : drips) send(drip, "r", 1, MSG_NOSIGNAL);
    EXPECT_THAT(Ask((*page)->port(), "GET /metrics HTTP/1.0\r\n\r\n"), EndsWith("ok"));
  }
  page->reset();  // returns while they are open
  for (const int drip : drips) close(drip);
}

// A byte now and then does not prolong it, neither does an answer that is not read.
TEST(HttpPageTest, ARequestHasOneDeadline) {
  HttpPageLimits limits;
  limits.deadline = std::chrono::milliseconds(300);
  const std::string big(64 << 20, 'x');
  const auto page = HttpPage::Listen(
      "127.0.0.1:0", "/metrics", "text/plain", [&] { return big; }, limits);
  ASSERT_TRUE(page.ok());
  const auto start = std::chrono::steady_clock::now();
  const int drip = Connect((*page)->port());
  while (send(drip, "G", 1, MSG_NOSIGNAL) == 1) {
    pollfd closed = {drip, POLLRDHUP, 0};
    poll(&closed, 1, 20);
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, limits.deadline);
  close(drip);

  const int lazy = Connect((*page)->port());
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  send(lazy, request.data(), request.size(), MSG_NOSIGNAL);
  const auto asked = std::chrono::steady_clock::now();
  std::vector<char> buffer(4096);
  size_t received = 0;
  for (ssize_t got; (got = recv(lazy, buffer.data(), buffer.size(), 0)) > 0;) {
    received += got;
    const bool reads_slowly = std::chrono::steady_clock::now() - asked < 3 * limits.deadline;
    if (reads_slowly) poll(nullptr, 0, 20);
  }
  EXPECT_LT(received, big.size());
  close(lazy);
}

TEST(HttpPageTest, NonsenseDoesNoHarm) {
  HttpPageLimits limits;
  limits.deadline = std::chrono::seconds(1);  // ends what the peer left half said
  const auto page = HttpPage::Listen(
      "127.0.0.1:0", "/metrics", "text/plain", [] { return "ok"; }, limits);
  ASSERT_TRUE(page.ok());
  const int port = (*page)->port();
  EXPECT_EQ(Ask(port, ""), "");
  EXPECT_EQ(Ask(port, "\r\n\r\n"), "");
  EXPECT_EQ(Ask(port, std::string(4000, 'G')), "");
  close(Connect(port));
  EXPECT_THAT(Ask(port, "GET /metrics HTTP/1.0\r\n\r\n"), EndsWith("ok"));
}

TEST(HttpPageTest, AnAddressThatCannotBe) {
  const auto page = HttpPage::Listen("127.0.0.1:0", "/", "text/plain", [] { return ""; });
  ASSERT_TRUE(page.ok());
  const std::string taken = "127.0.0.1:" + std::to_string((*page)->port());
  for (const std::string& address : {taken, std::string("127.0.0.1:99999x"), std::string("nowhere"),
                                     std::string("192.0.2.1:0")}) {
    const auto other = HttpPage::Listen(address, "/", "text/plain", [] { return ""; });
    EXPECT_TRUE(absl::IsInvalidArgument(other.status())) << address;
  }
}

}  // namespace
}  // namespace mgral::server
