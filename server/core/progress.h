#pragma once

#include <functional>
#include <stdexcept>

namespace mgral::core {

// Told the share of the work that is done, in [0, 1]; returns false to stop: the call then throws
// Canceled.
using ProgressFn = std::function<bool(double fraction)>;

class Canceled : public std::runtime_error {
 public:
  Canceled() : std::runtime_error("canceled") {}
};

}  // namespace mgral::core
