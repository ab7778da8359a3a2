#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "server/domain/call_context.h"

namespace mgral::app {

// Images of a call that have to be read, by position.
struct ImagesToInspect {
  std::vector<size_t> local;
  std::vector<size_t> fetched;  // from an address, which may take long
};

// inspect(i) of each, in parallel; ends early, with the error, when one fails for a reason that is
// not the image's own (IsItemError), and when the call ends. The number of
// simultaneous fetches of the call is bounded.
absl::Status InspectEach(const domain::CallContext& call, const ImagesToInspect& images,
                         int threads, const std::function<absl::Status(size_t)>& inspect);

}  // namespace mgral::app
