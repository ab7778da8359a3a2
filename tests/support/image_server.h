#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "server/base/stoppable_thread.h"

namespace mgral::test {

// An HTTP server on loopback that images are fetched from. Below /drip/ it sends a head and then a
// byte now and then, for ever; below /silent/ it says nothing; /broken is answered with status 503,
// /status/N with N.
class ImageServer {
 public:
  explicit ImageServer(std::map<std::string, std::string> files = {});  // by path: "/a.png"
  ~ImageServer();
  ImageServer(const ImageServer&) = delete;
  ImageServer& operator=(const ImageServer&) = delete;

  std::string Uri(const std::string& path) const;  // "http://127.0.0.1:PORT" + path
  // Waits until as many slow transfers are open; false if it does not come to that in a minute.
  bool WaitForSlow(size_t count);
  bool WaitForSlowAtLeast(size_t count);
  size_t most_slow() const;  // that were ever open at once

 private:
  struct Connection {
    int fd;
    std::string head;
    bool slow = false, drips = false, over = false;
  };
  void Loop(const base::StopSignal& stop);
  void Read(Connection* connection);
  void Answer(Connection* connection, const std::string& path);

  const std::map<std::string, std::string> files_;
  int listener_ = -1, port_ = 0;
  std::vector<Connection> connections_;  // of the thread alone
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  size_t slow_ = 0, most_slow_ = 0;
  base::StoppableThread thread_;
};

}  // namespace mgral::test
