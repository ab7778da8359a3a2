#include "server/main/worker_thread.h"

namespace mgral::server {

WorkerThread::WorkerThread(cycle::JobLoop* loop)
    : loop_(loop), thread_([this] {
        loop_->Run();
        std::lock_guard<std::mutex> lock(mutex_);
        over_ = true;
        ended_.notify_all();
      }) {}

WorkerThread::~WorkerThread() {
  loop_->Stop();
  thread_.join();
}

bool WorkerThread::WaitFor(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return ended_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [this] { return over_; });
}

}  // namespace mgral::server
