#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace mgral::server {

// Serves one page over HTTP: GET <path> gives what `content` makes, anything else 404. One request
// at a time; a slow reader is dropped after two seconds. (prometheus-cpp's own server cannot be
// used: its threads' stacks are smaller than the thread-local storage of LibTorch's libraries, so
// that they cannot be started in this process.)
class HttpPage {
 public:
  // `address`: "127.0.0.1:9464", "[::1]:0"; port 0 is the kernel's choice. Errors:
  // INVALID_ARGUMENT when the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Listen(const std::string& address,
                                                          const std::string& path,
                                                          const std::string& content_type,
                                                          std::function<std::string()> content);
  ~HttpPage();
  HttpPage(const HttpPage&) = delete;
  HttpPage& operator=(const HttpPage&) = delete;

  int port() const { return port_; }

 private:
  HttpPage() = default;
  void Loop();
  void Answer(int connection) const;

  std::string path_, content_type_;
  std::function<std::string()> content_;
  int listener_ = -1;
  int stop_ = -1;  // an eventfd: readable once it shall stop
  int port_ = 0;
  std::thread thread_;
};

}  // namespace mgral::server
