#pragma once

#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace mgral::base {

// work(0) ... work(count - 1), in any order, on the caller's thread and at most `threads` - 1
// others; returns when all are done. Once one gives an error no other begins, and that error is
// returned. `work` must not throw.
absl::Status ForEach(size_t count, int threads, const std::function<absl::Status(size_t)>& work);

}  // namespace mgral::base
