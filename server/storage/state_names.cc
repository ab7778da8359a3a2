#include "server/storage/state_names.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "server/domain/batch.h"
#include "server/domain/cycle.h"
#include "server/domain/image.h"

namespace mgral::storage {
namespace {

using domain::BatchState;
using domain::CycleState;
using domain::ImageState;
using domain::ImageUse;

struct Name {
  absl::string_view name;
  int number;
};

template <typename State>
constexpr Name Named(absl::string_view name, State state) {
  return {name, static_cast<int>(state)};
}

constexpr Name kNames[] = {
    Named("image.unlabeled", ImageState::kUnlabeled),
    Named("image.leased", ImageState::kLeased),
    Named("image.labeled", ImageState::kLabeled),
    Named("image.rejected", ImageState::kRejected),
    Named("use.training", ImageUse::kTraining),
    Named("use.validation", ImageUse::kValidation),
    Named("batch.leased", BatchState::kLeased),
    Named("batch.completed", BatchState::kCompleted),
    Named("batch.released", BatchState::kReleased),
    Named("batch.expired", BatchState::kExpired),
    Named("cycle.queued", CycleState::kQueued),
    Named("cycle.running", CycleState::kRunning),
    Named("cycle.succeeded", CycleState::kSucceeded),
    Named("cycle.failed", CycleState::kFailed),
    Named("cycle.canceled", CycleState::kCanceled),
    Named("job.open", JobState::kOpen),
    Named("job.claimed", JobState::kClaimed),
    Named("job.done", JobState::kDone),
    Named("job.dead", JobState::kDead),
};

int NumberOf(absl::string_view name) {
  for (const Name& known : kNames) {
    if (known.name == name) return known.number;
  }
  throw std::logic_error(absl::StrCat("a statement names an unknown state {", name, "}"));
}

}  // namespace

std::string ReplaceStateNames(absl::string_view statement) {
  std::string sql;
  sql.reserve(statement.size());
  while (true) {
    const size_t open = statement.find('{');
    const size_t close = open == statement.npos ? open : statement.find('}', open);
    if (close == statement.npos) break;
    const absl::string_view name = statement.substr(open + 1, close - open - 1);
    sql.append(statement.data(), open);
    // '{}' is an empty array.
    if (name.empty()) {
      sql += "{}";
    } else {
      absl::StrAppend(&sql, NumberOf(name));
    }
    statement.remove_prefix(close + 1);
  }
  return sql.append(statement.data(), statement.size());
}

}  // namespace mgral::storage
