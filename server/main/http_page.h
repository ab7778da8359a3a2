#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/stoppable_thread.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace mgral::server {

struct HttpPageLimits {
  // From a connection to the end of its answer; then it is closed, whatever goes on.
  std::chrono::milliseconds deadline{5000};
  // Open at once. One more closes the oldest: a request that comes whole is answered in no time, so
  // the oldest is one that drips.
  size_t max_connections = 128;
};

// Serves one page over HTTP, on one thread that waits for nobody: GET or HEAD of `path` gives what
// `content` makes, another method 405, another path 404. One request a connection.
// (prometheus-cpp's own server cannot be used here, see docs/adr/0008-http-by-libmicrohttpd.md.)
class HttpPage {
 public:
  // `address`: "127.0.0.1:9464", "[::1]:0"; port 0 is the kernel's choice. `content` is called on
  // the page's thread, one call at a time. Errors: INVALID_ARGUMENT when the address cannot be
  // listened on.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Listen(const std::string& address,
                                                          const std::string& path,
                                                          const std::string& content_type,
                                                          std::function<std::string()> content,
                                                          const HttpPageLimits& limits = {});
  ~HttpPage();  // closes every connection, and waits for none
  HttpPage(const HttpPage&) = delete;
  HttpPage& operator=(const HttpPage&) = delete;

  int port() const { return port_; }

 private:
  struct Callbacks;  // what libmicrohttpd calls, on the page's thread
  struct Open {
    MHD_Connection* connection;
    int fd;
    std::chrono::steady_clock::time_point deadline;
  };

  HttpPage() = default;
  void Loop(const base::StopSignal& stop);
  absl::Duration UntilNextEvent() const;
  void CloseOldestWhile(const std::function<bool(const Open&)>& condition);

  std::string path_, content_type_;
  std::function<std::string()> content_;
  HttpPageLimits limits_;
  int port_ = 0;
  MHD_Daemon* daemon_ = nullptr;
  std::list<Open> open_;  // the oldest first, without those that have been shut down
  base::StoppableThread thread_;
};

}  // namespace mgral::server
