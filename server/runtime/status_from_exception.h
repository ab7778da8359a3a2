#pragma once

#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace mgral::runtime {

// Carries a status through core, which knows exceptions only. Not a std::runtime_error: those are
// core's own words on what it was given.
class StatusException : public std::exception {
 public:
  explicit StatusException(absl::Status status)
      : status_(std::move(status)), message_(status_.message()) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  absl::Status status_;
  std::string message_;
};

// What is being caught, as a status: a StatusException its own, core's cancellations CANCELLED, no
// memory and a full disk RESOURCE_EXHAUSTED, std::invalid_argument INVALID_ARGUMENT, c10::Error and
// the rest INTERNAL. Call it in catch (...).
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
