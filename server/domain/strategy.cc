#include "server/domain/strategy.h"

#include "absl/strings/str_cat.h"

namespace mgral::domain {

const std::vector<StrategyInfo>& Strategies() {
  // strategy, name, selectable, cheap, needs_table, needs_embeddings, reason
  static const auto* table = new std::vector<StrategyInfo>{
      {Strategy::kMgral, "mgral", true, false, true, false, ""},
      {Strategy::kLookupGreedy, "lookup_greedy", true, true, true, false, ""},
      {Strategy::kRandom, "random", true, true, false, false, "chosen at random"},
      {Strategy::kEntropy, "entropy", true, true, false, false, "the detector is unsure about it"},
      {Strategy::kMargin, "margin", true, true, false, false, "the detector is unsure about it"},
      {Strategy::kCoreSet, "core_set", true, true, false, true,
       "it looks unlike the labeled images"},
      {Strategy::kColdStart, "cold_start", false, false, false, false,
       "it looks unlike the others; too few labels to train"},
  };
  return *table;
}

const StrategyInfo& InfoOf(Strategy strategy) {
  for (const StrategyInfo& info : Strategies()) {
    if (info.strategy == strategy) return info;
  }
  return Strategies()[0];  // not reached: the test of this file finds a value without a row
}

std::optional<Strategy> StrategyNamed(absl::string_view name) {
  for (const StrategyInfo& info : Strategies()) {
    if (name == info.name) return info.strategy;
  }
  return std::nullopt;
}

std::string SelectableStrategies() {
  std::string names;
  for (const StrategyInfo& info : Strategies()) {
    if (info.selectable) absl::StrAppend(&names, names.empty() ? "" : ", ", info.name);
  }
  return names;
}

bool IsSelectableStrategy(absl::string_view name) {
  for (const StrategyInfo& info : Strategies()) {
    if (info.selectable && name == info.name) return true;
  }
  return false;
}

}  // namespace mgral::domain
