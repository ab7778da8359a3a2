#include "server/storage/page_token.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/errors.h"

namespace mgral::storage {

std::string EncodePageToken(const std::string& scope, int64_t cursor) {
  return absl::WebSafeBase64Escape(absl::StrCat(cursor, "@", scope));
}

absl::StatusOr<int64_t> DecodePageToken(const std::string& token, const std::string& scope,
                                        int64_t first) {
  if (token.empty()) return first;
  std::string plain;
  if (absl::WebSafeBase64Unescape(token, &plain)) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(plain, absl::MaxSplits('@', 1));
    const int64_t cursor = ParseNumericId(parts.first);
    if (cursor >= 0 && parts.second == scope) return cursor;
  }
  return base::InvalidField(
      "page_token",
      "is not a token of this listing: pass next_page_token of the page before, with "
      "the same parent and filters");
}

int64_t ParseNumericId(const std::string& id) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(id, &number) || number < 0 || absl::StrCat(number) != id) return -1;
  return number;
}

}  // namespace mgral::storage
