#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "server/domain/call_context.h"

namespace mgral::app {

// work(0) ... work(count - 1), in any order, on the caller's thread and at most `threads` - 1
// others; returns when all are done. Once one gives an error no other begins, and that error is
// returned. `work` must not throw.
absl::Status ForEach(size_t count, int threads, const std::function<absl::Status(size_t)>& work);

// Images of a call that are to be looked at, by their positions.
struct ImagesToLookAt {
  std::vector<size_t> local;
  std::vector<size_t> fetched;  // from an address, which may take long
};

// look(i) of each, side by side; ends early, with the error, when one fails for a reason that is
// not the image's own (IsItemError), and when the call ends. The call's fetches at once are
// bounded.
absl::Status LookAtEach(const domain::CallContext& call, const ImagesToLookAt& images, int threads,
                        const std::function<absl::Status(size_t)>& look);

}  // namespace mgral::app
