#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mgral::app {

// Whether the error is one item's own, so that the others can go on without it.
bool IsItemError(const absl::Status& status);

// An item of a stream that was not stored, and why.
struct Refusal {
  size_t index = 0;   // within its chunk
  std::string field;  // of the item, e.g. "source.path"
  std::string reason;
};

Refusal RefusalOf(size_t index, const absl::Status& status);

// Stores items all at once. `store` gets the indices of `good` that are left; when it refuses,
// naming items to blame as "<list>[position in what it got].field", they go to `refused` (which
// ends up in order) and the rest is tried again. Any other error is returned: nothing is stored
// then.
absl::Status StoreValid(const std::string& list, std::vector<size_t> good,
                        std::vector<Refusal>* refused,
                        const std::function<absl::Status(const std::vector<size_t>&)>& store);

}  // namespace mgral::app
