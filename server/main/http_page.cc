#include "server/main/http_page.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mgral::server {
namespace {

constexpr timeval kPatience = {2, 0};
constexpr size_t kMaxRequestBytes = 8192;

absl::Status CannotListen(const std::string& address, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", address, ": ", why));
}

// "[::1]:80" is {"::1", "80"}.
std::pair<std::string, std::string> HostAndPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {"", address};
  absl::string_view host = absl::string_view(address).substr(0, colon);
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  return {std::string(host), address.substr(colon + 1)};
}

absl::StatusOr<int> OpenListener(const std::string& address) {
  const auto [host, port] = HostAndPort(address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return CannotListen(address, gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 16) != 0) {
    const std::string why = strerror(errno);
    if (fd >= 0) close(fd);
    return CannotListen(address, why);
  }
  return fd;
}

int PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  char port[16] = "0";
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, nullptr, 0, port, sizeof(port),
              NI_NUMERICSERV);
  return atoi(port);
}

// The request up to the end of its head; empty if it does not come.
std::string ReadHead(int connection) {
  std::string head;
  char buffer[1024];
  while (head.size() < kMaxRequestBytes && head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = recv(connection, buffer, sizeof(buffer), 0);
    if (got <= 0) return "";
    head.append(buffer, got);
  }
  return head;
}

void SendAll(int connection, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(sent);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpPage>> HttpPage::Listen(const std::string& address,
                                                           const std::string& path,
                                                           const std::string& content_type,
                                                           std::function<std::string()> content) {
  const auto listener = OpenListener(address);
  if (!listener.ok()) return listener.status();
  std::unique_ptr<HttpPage> page(new HttpPage());
  page->path_ = path;
  page->content_type_ = content_type;
  page->content_ = std::move(content);
  page->listener_ = *listener;
  page->stop_ = eventfd(0, EFD_CLOEXEC);
  page->port_ = PortOf(*listener);
  page->thread_ = std::thread([p = page.get()] { p->Loop(); });
  return page;
}

HttpPage::~HttpPage() {
  const uint64_t one = 1;
  if (thread_.joinable() && write(stop_, &one, sizeof(one)) == sizeof(one)) thread_.join();
  if (stop_ >= 0) close(stop_);
  if (listener_ >= 0) close(listener_);
}

void HttpPage::Loop() {
  pollfd waiting[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (true) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if ((waiting[1].revents & POLLIN) != 0) return;
    if ((waiting[0].revents & POLLIN) == 0) continue;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
    Answer(connection);
    close(connection);
  }
}

void HttpPage::Answer(int connection) const {
  const std::string head = ReadHead(connection);
  const std::vector<std::string> words = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
  if (words.size() < 2) return;
  const bool found = words[0] == "GET" && words[1].substr(0, words[1].find('?')) == path_;
  const std::string body = found ? content_() : "not found\n";
  SendAll(connection,
          absl::StrCat("HTTP/1.1 ", found ? "200 OK" : "404 Not Found",
                       "\r\nContent-Type: ", found ? content_type_ : "text/plain",
                       "\r\nContent-Length: ", body.size(), "\r\nConnection: close\r\n\r\n", body));
}

}  // namespace mgral::server
