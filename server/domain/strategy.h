#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace mgral::domain {

// How a queue is ordered. To add a strategy: CONTRIBUTING.md, "Where code goes".
enum class Strategy {
  kMgral,
  kLookupGreedy,
  kRandom,
  kRandomDeduplicated,
  kEntropy,
  kMargin,
  kCoreSet,
  kMaxHerding,
  kBadge,
  kPpal,
  kClassBalanced,
  kLookupShuffled,
  kColdStart,
  kCount,  // how many there are; none itself
};

struct StrategyInfo {
  Strategy strategy = Strategy::kCount;
  const char* name = "";
  bool selectable = false;        // for a pool or a query; else the server alone falls back to it
  bool cheap = false;             // ranked in every cycle, so that a query may name it
  bool needs_table = false;       // a look-up table of the candidates
  bool needs_embeddings = false;  // of the images, where a detector elsewhere may give none
  const char* color = "";         // in a report, as CSS writes it; on a light page
  const char* dark_color = "";    // on a dark one
  const char* reason = "";        // for an image, where there is no table to tell more
};

// Every strategy, in the order in which users read of them, which is that of the enum.
absl::Span<const StrategyInfo> Strategies();
const StrategyInfo& InfoOf(Strategy strategy);
inline const char* NameOf(Strategy strategy) { return InfoOf(strategy).name; }

// Nothing for a name that no strategy has.
std::optional<Strategy> StrategyNamed(absl::string_view name);

// Of those that a user may ask for: "mgral, lookup_greedy, ...".
std::string SelectableStrategies();
bool IsSelectableStrategy(absl::string_view name);

}  // namespace mgral::domain
