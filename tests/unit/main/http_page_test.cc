#include "server/main/http_page.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mgral::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

std::string Ask(int port, const std::string& request) {
  const int fd = Connect(port);
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  shutdown(fd, SHUT_WR);
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, got);
  close(fd);
  return answer;
}

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
  EXPECT_THAT(Ask(port, "GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask(port, "POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404"));
}

TEST(HttpPageTest, NonsenseDoesNoHarm) {
  const auto page = HttpPage::Listen("127.0.0.1:0", "/metrics", "text/plain", [] { return "ok"; });
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
