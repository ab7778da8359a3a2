#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/domain/request.h"

namespace mgral::storage {

// Opaque tokens that carry where a listing goes on. `scope` names the listing with its parent and
// filters, so that a token of another listing is refused.
std::string EncodePageToken(const std::string& scope, int64_t cursor);
// `first` for an empty token. Errors: INVALID_ARGUMENT on "page_token".
absl::StatusOr<int64_t> DecodePageToken(const std::string& token, const std::string& scope,
                                        int64_t first);

// Cuts a listing, read up to one item beyond the page, to the page and sets the next page's token.
// `cursor_of` gives the cursor of an item.
template <typename T, typename CursorOf>
void CutPage(const domain::PageRequest& page, const std::string& scope, const CursorOf& cursor_of,
             domain::Page<T>* result) {
  if (result->items.size() <= static_cast<size_t>(page.size)) return;
  result->items.resize(page.size);
  result->next_page_token = EncodePageToken(scope, cursor_of(result->items.back()));
}

// The number that a resource id stands for; -1 when it can be none (also for "007").
int64_t ParseNumericId(const std::string& id);

}  // namespace mgral::storage
