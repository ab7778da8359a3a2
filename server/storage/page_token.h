#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace mgral::storage {

// Opaque tokens that carry where a listing goes on. `scope` names the listing with its parent and
// filters, so that a token of another listing is refused.
std::string EncodePageToken(const std::string& scope, int64_t cursor);
// `first` for an empty token. Errors: INVALID_ARGUMENT on "page_token".
absl::StatusOr<int64_t> DecodePageToken(const std::string& token, const std::string& scope,
                                        int64_t first);

// The number that a resource id stands for; -1 when it can be none (also for "007").
int64_t ParseNumericId(const std::string& id);

}  // namespace mgral::storage
