#include "server/main/http_page.h"

#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"

namespace mgral::server {
namespace {

using Clock = std::chrono::steady_clock;

// Of a connection: the head of its request must fit in.
constexpr size_t kBytesPerConnection = 16 << 10;
// Connections that have been shut down and not yet closed.
constexpr unsigned kClosing = 16;

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
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
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

struct Answer {
  unsigned status = MHD_HTTP_OK;
  std::string content_type = "text/plain";
  std::string body;
};

MHD_Result Send(MHD_Connection* connection, const Answer& answer) {
  MHD_Response* const response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  // The deadline is the connection's.
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

struct HttpPage::Callbacks {
  static void OnConnection(void* self, MHD_Connection* connection, void**,
                           MHD_ConnectionNotificationCode code) {
    auto* const page = static_cast<HttpPage*>(self);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
      page->open_.remove_if([&](const Open& open) { return open.connection == connection; });
      return;
    }
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    page->open_.push_back({connection, fd, Clock::now() + page->limits_.deadline});
    page->CloseOldestWhile(
        [&](const Open&) { return page->open_.size() > page->limits_.max_connections; });
  }

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* path,
                              const char* method, const char*, const char*, size_t*, void**) {
    const auto* const page = static_cast<const HttpPage*>(self);
    const bool known_method =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (page->path_ != path) {
      return Send(connection, {MHD_HTTP_NOT_FOUND, "text/plain", "not found\n"});
    }
    if (!known_method) {
      return Send(connection, {MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET it\n"});
    }
    try {
      return Send(connection, {MHD_HTTP_OK, page->content_type_, page->content_()});
    } catch (const std::exception&) {  // must not pass through a library in C
      return MHD_NO;
    }
  }
};

absl::StatusOr<std::unique_ptr<HttpPage>> HttpPage::Listen(const std::string& address,
                                                           const std::string& path,
                                                           const std::string& content_type,
                                                           std::function<std::string()> content,
                                                           const HttpPageLimits& limits) {
  MGRAL_ASSIGN_OR_RETURN(const auto listener, OpenListener(address));
  std::unique_ptr<HttpPage> page(new HttpPage());
  page->path_ = path;
  page->content_type_ = content_type;
  page->content_ = std::move(content);
  page->limits_ = limits;
  page->port_ = PortOf(listener);
  const auto most = static_cast<unsigned>(limits.max_connections) + kClosing;
  page->daemon_ =
      MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &Callbacks::OnRequest, page.get(),
                       MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_CONNECTION,
                       &Callbacks::OnConnection, page.get(), MHD_OPTION_CONNECTION_LIMIT, most,
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kBytesPerConnection, MHD_OPTION_END);
  if (page->daemon_ == nullptr) {
    close(listener);
    return CannotListen(address, "no memory or no file descriptor is left");
  }
  page->thread_.Start([p = page.get()](const base::StopSignal& stop) { p->Loop(stop); });
  return page;
}

HttpPage::~HttpPage() {
  thread_.Stop();
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

void HttpPage::Loop(const base::StopSignal& stop) {
  const int epoll = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  while (!stop.WaitForReadable(epoll, UntilNextEvent())) {
    MHD_run(daemon_);
    const Clock::time_point now = Clock::now();
    CloseOldestWhile([&](const Open& oldest) { return oldest.deadline <= now; });
  }
}

absl::Duration HttpPage::UntilNextEvent() const {
  absl::Duration wait = absl::InfiniteDuration();
  if (!open_.empty()) wait = absl::FromChrono(open_.front().deadline - Clock::now());
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  if (MHD_get_timeout(daemon_, &milliseconds) == MHD_YES) {
    wait = std::min(wait, absl::Milliseconds(milliseconds));
  }
  return wait;
}

// The library finds a connection that was shut down at its end, and closes it.
void HttpPage::CloseOldestWhile(const std::function<bool(const Open&)>& condition) {
  while (!open_.empty() && condition(open_.front())) {
    shutdown(open_.front().fd, SHUT_RDWR);
    open_.pop_front();
  }
}

}  // namespace mgral::server
