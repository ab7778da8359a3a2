#include "server/core/detector/workers.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "server/core/detector/openblas.h"

namespace mgral::core {

void SetTorchThreads(int threads) {
  at::get_num_threads();  // makes that first time now
  at::set_num_threads(threads);
}

Workers::Workers(int64_t tasks) : saved_threads_(at::get_num_threads()) {
  TuneOpenBlas();
  const int64_t threads = std::min<int64_t>(saved_threads_, tasks);
  if (threads < 2) return;
  for (int64_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return ready_ == threads; });
  SetTorchThreads(1);
}

Workers::~Workers() {
  if (threads_.empty()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& t : threads_) t.join();
  SetTorchThreads(saved_threads_);
}

void Workers::Run(int64_t count, const std::function<void(int64_t)>& task) {
  if (threads_.empty()) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  next_ = finished_ = 0;
  count_ = count;
  wake_.notify_all();
  done_.wait(lock, [this] { return finished_ == count_; });
  count_ = next_ = 0;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Workers::Loop() {
  SetTorchThreads(1);
  std::unique_lock<std::mutex> lock(mutex_);
  ++ready_;
  done_.notify_all();
  while (true) {
    wake_.wait(lock, [this] { return stop_ || next_ < count_; });
    if (stop_) return;
    const int64_t i = next_++;
    lock.unlock();
    std::exception_ptr error;
    try {
      (*task_)(i);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !error_) error_ = error;
    if (++finished_ == count_) done_.notify_all();
  }
}

}  // namespace mgral::core
