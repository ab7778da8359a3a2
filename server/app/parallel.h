#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace mgral::app {

// Runs items of work of many calls side by side, at most `threads` at once in all of them, so that
// many callers cannot make the server decode more images at a time than it has memory for.
// Thread-safe.
class Parallel {
 public:
  explicit Parallel(int threads) : threads_(threads < 1 ? 1 : threads), free_(threads_) {}

  // work(0) ... work(count - 1), in any order, on several threads; returns when all are done.
  // `work` must not throw.
  void ForEach(size_t count, const std::function<void(size_t)>& work);

 private:
  void Acquire();
  void Release();

  const int threads_;
  std::mutex mutex_;
  std::condition_variable freed_;
  int free_;
};

}  // namespace mgral::app
