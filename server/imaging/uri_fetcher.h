#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/domain/call_context.h"

namespace mgral::imaging {

struct FetchLimits {
  std::vector<std::string> prefixes;  // allowed beginnings, e.g. "https://images.example.com/a/"
  int64_t max_bytes = 64 << 20;
  absl::Duration timeout = absl::Seconds(30);  // of the whole transfer
  absl::Duration connect_timeout = absl::Seconds(5);
  // A transfer ends that brings fewer bytes a second than that for so long, e.g. none.
  int64_t low_speed_bytes = 1024;
  absl::Duration low_speed_time = absl::Seconds(10);
  // Transfers at once: from one host, so that a slow one does not take them all, and in all.
  int per_host = 16;
  int total = 32;
};

// Fetches by HTTP and HTTPS. Redirects are not followed: they could lead anywhere. Thread-safe.
class UriFetcher {
 public:
  explicit UriFetcher(FetchLimits limits) : limits_(std::move(limits)) {}

  // Waits for a place, then for the transfer; ends within a moment of the call's end. Errors:
  // INVALID_ARGUMENT on "source.uri" (not allowed, redirected, too long, no such page), UNAVAILABLE
  // when the other side cannot be reached or is too slow, CANCELLED and DEADLINE_EXCEEDED with the
  // call, CANCELLED after Stop. domain::FaultOf tells the
  // first ones apart.
  absl::StatusOr<std::string> Fetch(const domain::CallContext& call, const std::string& uri);

  // Transfers under way end, and no other begins.
  void Stop();

 private:
  absl::Status Check(const domain::CallContext& call) const;
  absl::Status TakePlace(const domain::CallContext& call, const std::string& host);
  void GivePlace(const std::string& host);
  absl::StatusOr<std::string> Transfer(const domain::CallContext& call, const std::string& uri);

  const FetchLimits limits_;
  mutable absl::Mutex mutex_;
  std::map<std::string, int> transfers_ ABSL_GUARDED_BY(mutex_);  // by host
  int total_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mgral::imaging
