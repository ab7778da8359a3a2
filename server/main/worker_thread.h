#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "server/cycle/job_loop.h"

namespace mgral::server {

// A JobLoop on a thread of its own.
class WorkerThread {
 public:
  explicit WorkerThread(cycle::JobLoop* loop);
  ~WorkerThread();  // stops it and waits, however long that takes

  void Stop() { loop_->Stop(); }
  // After Stop. False if the job at hand did not come to a stop in that time.
  bool WaitFor(absl::Duration timeout);

 private:
  cycle::JobLoop* loop_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace mgral::server
