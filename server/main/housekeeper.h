#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace mgral::server {

// Runs a task at once and then again and again, on a thread of its own, until it is destroyed.
class Housekeeper {
 public:
  Housekeeper(absl::Duration interval, std::function<void()> task);
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

 private:
  void Loop(absl::Duration interval);

  const std::function<void()> task_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mgral::server
