#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mgral::client {

// Walks the items of a paginated list (AIP-158), a page per call to the server. Not thread-safe;
// must not outlive the Client that made it.
template <typename Item>
class Pages {
 public:
  struct Page {
    std::vector<Item> items;
    std::string next_page_token;
  };
  using Fetch = std::function<absl::StatusOr<Page>(const std::string& page_token)>;

  explicit Pages(Fetch fetch) : fetch_(std::move(fetch)) {}

  // The next item, nothing at the end. After an error the same page is requested again.
  absl::StatusOr<std::optional<Item>> Next() {
    while (position_ == page_.items.size()) {
      if (started_ && page_.next_page_token.empty()) return std::optional<Item>();
      absl::StatusOr<Page> page = fetch_(page_.next_page_token);
      if (!page.ok()) return page.status();
      if (!page->next_page_token.empty() && page->next_page_token == page_.next_page_token) {
        return absl::InternalError("the server repeats a page token: the list would never end");
      }
      page_ = *std::move(page);
      position_ = 0;
      started_ = true;
    }
    return std::optional<Item>(std::move(page_.items[position_++]));
  }

  // All remaining items, in memory.
  absl::StatusOr<std::vector<Item>> All() {
    std::vector<Item> items;
    for (;;) {
      absl::StatusOr<std::optional<Item>> item = Next();
      if (!item.ok()) return item.status();
      if (!item->has_value()) return items;
      items.push_back(**std::move(item));
    }
  }

 private:
  Fetch fetch_;
  Page page_;
  size_t position_ = 0;
  bool started_ = false;
};

}  // namespace mgral::client
