#include "server/app/item_errors.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/errors.h"

namespace mgral::app {
namespace {

// The items that a status blames, by position; empty when it is not about items alone.
std::map<size_t, Refusal> Blamed(const absl::Status& status, const std::string& list,
                                 size_t count) {
  std::map<size_t, Refusal> blamed;
  if (!IsItemError(status)) return blamed;
  for (const base::FieldViolation& violation : base::FieldViolations(status)) {
    absl::string_view rest = violation.field;
    const size_t end = rest.find(']');
    uint64_t position = 0;
    if (end == absl::string_view::npos || !absl::StartsWith(rest, absl::StrCat(list, "[")) ||
        !absl::SimpleAtoi(rest.substr(list.size() + 1, end - list.size() - 1), &position) ||
        position >= count) {
      return {};
    }
    rest.remove_prefix(end + 1);
    absl::ConsumePrefix(&rest, ".");
    blamed.emplace(position, Refusal{position, std::string(rest), violation.description});
  }
  return blamed;
}

}  // namespace

bool IsItemError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

Refusal RefusalOf(size_t index, const absl::Status& status) {
  const std::vector<base::FieldViolation> violations = base::FieldViolations(status);
  if (violations.empty()) return {index, "", std::string(status.message())};
  return {index, violations[0].field, violations[0].description};
}

absl::Status StoreValid(const std::string& list, std::vector<size_t> good,
                        std::vector<Refusal>* refused,
                        const std::function<absl::Status(const std::vector<size_t>&)>& store) {
  while (!good.empty()) {
    const absl::Status status = store(good);
    if (status.ok()) break;
    const std::map<size_t, Refusal> blamed = Blamed(status, list, good.size());
    if (blamed.empty()) return status;
    std::vector<size_t> left;
    for (size_t position = 0; position < good.size(); ++position) {
      const auto found = blamed.find(position);
      if (found == blamed.end()) {
        left.push_back(good[position]);
      } else {
        refused->push_back({good[position], found->second.field, found->second.reason});
      }
    }
    good = std::move(left);
  }
  std::sort(refused->begin(), refused->end(),
            [](const Refusal& a, const Refusal& b) { return a.index < b.index; });
  return absl::OkStatus();
}

}  // namespace mgral::app
