#include "server/app/external_detector.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/domain/strategy.h"

namespace mgral::app {

absl::Status NeedsOwnDetector(const domain::Pool& pool, absl::string_view what,
                              const std::string& field) {
  if (!pool.detector.external()) return absl::OkStatus();
  return base::FailedPrecondition(
      "EXTERNAL_DETECTOR",
      absl::StrCat(what, " needs a detector of mgral's own; that of pools/", pool.pool_id,
                   " is external"),
      field);
}

absl::Status CheckStrategyFor(const domain::Pool& pool, const std::string& strategy,
                              const std::string& field) {
  const auto named = domain::StrategyNamed(strategy);
  if (!named || !domain::InfoOf(*named).needs_table) return absl::OkStatus();
  const absl::Status refused =
      NeedsOwnDetector(pool, absl::StrCat("the strategy ", strategy), field);
  if (refused.ok()) return refused;
  return base::FailedPrecondition(
      "EXTERNAL_DETECTOR",
      absl::StrCat(refused.message(), ": use one of ", StrategiesWithoutTable()), field);
}

std::string StrategiesWithoutTable() {
  std::string names;
  for (const domain::StrategyInfo& info : domain::Strategies()) {
    if (!info.selectable || info.needs_table) continue;
    absl::StrAppend(&names, names.empty() ? "" : ", ", info.name);
  }
  return names;
}

}  // namespace mgral::app
