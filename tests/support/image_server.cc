#include "tests/support/image_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/time/clock.h"

namespace mgral::test {
namespace {

constexpr std::chrono::minutes kPatience(1);
constexpr absl::Duration kDrip = absl::Milliseconds(100);

bool StartsWith(const std::string& text, const std::string& beginning) {
  return text.compare(0, beginning.size(), beginning) == 0;
}

std::string Response(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

}  // namespace

ImageServer::ImageServer(std::map<std::string, std::string> files) : files_(std::move(files)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, SOMAXCONN) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    perror("ImageServer");
    abort();
  }
  port_ = ntohs(address.sin_port);
  thread_.Start([this](const base::StopSignal& stop) { Loop(stop); });
}

ImageServer::~ImageServer() {
  thread_.Stop();
  for (const Connection& connection : connections_) close(connection.fd);
  close(listener_);
}

std::string ImageServer::Uri(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

bool ImageServer::WaitForSlow(size_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return slow_ == count; });
}

bool ImageServer::WaitForSlowAtLeast(size_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return slow_ >= count; });
}

size_t ImageServer::most_slow() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return most_slow_;
}

void ImageServer::Loop(const base::StopSignal& stop) {
  absl::Time next_drip = absl::Now();
  while (!stop.requested()) {
    std::vector<pollfd> fds = {{listener_, POLLIN, 0}};
    for (const Connection& connection : connections_) fds.push_back({connection.fd, POLLIN, 0});
    poll(fds.data(), fds.size(), 20);
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (fds[i + 1].revents != 0) Read(&connections_[i]);
    }
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
      connections_.push_back({fd, "", false, false, false});
    }
    if (absl::Now() >= next_drip) {
      next_drip = absl::Now() + kDrip;
      for (const Connection& one : connections_) {
        if (one.drips) (void)!send(one.fd, "x", 1, MSG_NOSIGNAL);
      }
    }
    for (const Connection& one : connections_) {
      if (one.over) close(one.fd);
    }
    connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                      [](const Connection& one) { return one.over; }),
                       connections_.end());
    std::lock_guard<std::mutex> lock(mutex_);
    slow_ = std::count_if(connections_.begin(), connections_.end(),
                          [](const Connection& one) { return one.slow; });
    most_slow_ = std::max(most_slow_, slow_);
    changed_.notify_all();
  }
}

void ImageServer::Read(Connection* connection) {
  char buffer[4096];
  const ssize_t got = recv(connection->fd, buffer, sizeof(buffer), 0);
  if (got <= 0) {
    connection->over = true;
    return;
  }
  connection->head.append(buffer, got);
  if (connection->slow || connection->head.find("\r\n\r\n") == std::string::npos) return;
  const size_t begin = connection->head.find(' ') + 1;
  Answer(connection, connection->head.substr(begin, connection->head.find(' ', begin) - begin));
}

void ImageServer::Answer(Connection* connection, const std::string& path) {
  std::string answer;
  const auto file = files_.find(path);
  if (StartsWith(path, "/drip/")) {
    connection->slow = connection->drips = true;
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
  } else if (StartsWith(path, "/silent/")) {
    connection->slow = true;
  } else if (path == "/broken") {
    answer = Response("503 Service Unavailable", "");
  } else if (StartsWith(path, "/status/")) {
    answer = Response(path.substr(8) + " As asked for", "");
  } else if (file != files_.end()) {
    answer = Response("200 OK", file->second);
  } else {
    answer = Response("404 Not Found", "");
  }
  (void)!send(connection->fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  connection->over = !connection->slow;
}

}  // namespace mgral::test
