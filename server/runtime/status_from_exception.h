#pragma once

#include "absl/status/status.h"

namespace mgral::runtime {

// What is being caught, as a status: core's cancellations CANCELLED, no memory RESOURCE_EXHAUSTED,
// std::invalid_argument INVALID_ARGUMENT, c10::Error and the rest INTERNAL. Call it in catch (...).
absl::Status StatusFromException();

// f(), which returns a Status or StatusOr, with its exceptions as statuses.
template <typename F>
auto Guarded(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    return StatusFromException();
  }
}

}  // namespace mgral::runtime
