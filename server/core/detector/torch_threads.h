#pragma once

#include <ATen/Parallel.h>

namespace mgral::core {

// Gives the calling thread, and no other, so many intra-op threads. at::set_num_threads alone does
// not: a thread's first operator sets it to what any thread asked for last.
inline void SetTorchThreads(int threads) {
  at::get_num_threads();  // makes that first time now
  at::set_num_threads(threads);
}

}  // namespace mgral::core
