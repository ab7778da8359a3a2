#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {

// kSelector's result.
struct RankedPool {
  std::vector<std::pair<std::string, std::string>> queues;  // strategy, artifact with its keys
  std::string selector_sha256;                              // empty without a policy
  double selector_gain = 0, greedy_gain = 0;
};
std::string ToJson(const RankedPool& ranked);
absl::StatusOr<RankedPool> ParseRanked(const std::string& json);

// kTable's result; nullopt in a cycle without a table.
absl::StatusOr<std::optional<domain::ModelRuntime::TableResult>> LoadTable(
    const StageContext& stage);

}  // namespace mgral::cycle
