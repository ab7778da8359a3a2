#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mgral::core {

// Gives the calling thread, and no other, so many intra-op threads. at::set_num_threads alone does
// not: a thread's first operator sets it to what any thread asked for last.
void SetTorchThreads(int threads);

// Threads that each run their operators alone. For small networks two threads with a whole shard
// each beat two threads in every operator, and on a machine that is busy with other work they beat
// them tenfold: OpenMP's threads spin at each operator's end for whoever was descheduled.
//
// While a Workers of more than one thread lives, the thread that made it runs its operators alone
// too; afterwards as before. Made, used and destroyed by one thread.
class Workers {
 public:
  // At most at::get_num_threads() threads, and at most `tasks`.
  explicit Workers(int64_t tasks);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Calls task(i) for every i in [0, count), which thread does which is not defined; rethrows the
  // first exception after all have ended.
  void Run(int64_t count, const std::function<void(int64_t)>& task);

 private:
  void Loop();

  int saved_threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)>* task_ = nullptr;
  int64_t next_ = 0, count_ = 0, finished_ = 0, ready_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace mgral::core
