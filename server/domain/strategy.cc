#include "server/domain/strategy.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace mgral::domain {
namespace {

// A row for each value of the enum, in its order.
// strategy, name, selectable, cheap, needs_table, needs_embeddings, color, dark_color, reason
constexpr std::array<StrategyInfo, static_cast<size_t>(Strategy::kCount)> kStrategies = {{
    {Strategy::kMgral, "mgral", true, false, true, false, "#2450c8", "#86a9ff", ""},
    {Strategy::kLookupGreedy, "lookup_greedy", true, true, true, false, "#0b8a83", "#4cc9bd", ""},
    {Strategy::kRandom, "random", true, true, false, false, "#76808d", "#98a2af",
     "chosen at random"},
    {Strategy::kRandomDeduplicated, "random_deduplicated", true, false, false, true, "#4b5563",
     "#c9d1db", "chosen at random among images that look different"},
    {Strategy::kEntropy, "entropy", true, true, false, false, "#c46a08", "#f0a04b",
     "the detector is unsure about it"},
    {Strategy::kMargin, "margin", true, true, false, false, "#b03a5b", "#ee86a4",
     "the detector is unsure about it"},
    {Strategy::kCoreSet, "core_set", true, true, false, true, "#8145b5", "#c296f0",
     "it looks unlike the labeled images"},
    {Strategy::kMaxHerding, "max_herding", true, false, false, true, "#b0339c", "#ee8fe0",
     "it looks like many images that have no labels"},
    {Strategy::kBadge, "badge", true, false, false, true, "#8a6a12", "#d9b95c",
     "its objects would change the detector in their own way"},
    {Strategy::kPpal, "ppal", true, false, false, true, "#c8402a", "#ff8f7d",
     "the detector is unsure about it, and its objects look unlike the others'"},
    {Strategy::kClassBalanced, "class_balanced", true, true, false, false, "#4f7a28", "#9fcf72",
     "it is predicted to hold objects of classes with few labels"},
    {Strategy::kLookupShuffled, "lookup_shuffled", true, false, true, false, "#7d5b52", "#cdaaa0",
     ""},
    {Strategy::kColdStart, "cold_start", false, false, false, false, "#00799e", "#56c4e6",
     "it looks unlike the others; too few labels to train"},
}};

constexpr bool EveryRowIsAtItsValue() {
  for (size_t i = 0; i < kStrategies.size(); ++i) {
    if (kStrategies[i].strategy != static_cast<Strategy>(i)) return false;
  }
  return true;
}
static_assert(EveryRowIsAtItsValue(), "a strategy has no row, or not at its place");

}  // namespace

absl::Span<const StrategyInfo> Strategies() { return kStrategies; }

const StrategyInfo& InfoOf(Strategy strategy) {
  return kStrategies.at(static_cast<size_t>(strategy));
}

std::optional<Strategy> StrategyNamed(absl::string_view name) {
  for (const StrategyInfo& info : kStrategies) {
    if (name == info.name) return info.strategy;
  }
  return std::nullopt;
}

std::string SelectableStrategies() {
  std::string names;
  for (const StrategyInfo& info : kStrategies) {
    if (info.selectable) absl::StrAppend(&names, names.empty() ? "" : ", ", info.name);
  }
  return names;
}

bool IsSelectableStrategy(absl::string_view name) {
  const auto strategy = StrategyNamed(name);
  return strategy && InfoOf(*strategy).selectable;
}

}  // namespace mgral::domain
