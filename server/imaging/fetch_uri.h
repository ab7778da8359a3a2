#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mgral::imaging {

struct FetchLimits {
  std::vector<std::string> prefixes;  // allowed beginnings, e.g. "https://images.example.com/a/"
  int64_t max_bytes = 64 << 20;
  absl::Duration timeout = absl::Seconds(30);  // of the whole transfer
};

// Fetches by HTTP or HTTPS. Redirects are not followed: they could lead anywhere. Errors:
// INVALID_ARGUMENT on "source.uri" (not allowed, redirected, too long, no such page), UNAVAILABLE
// when the other side cannot be reached or takes too long. Thread-safe.
absl::StatusOr<std::string> FetchUri(const std::string& uri, const FetchLimits& limits);

}  // namespace mgral::imaging
