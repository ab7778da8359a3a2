// What `mgral simulate` plays under a label: a strategy, perhaps with settings of its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mgral::client {

inline constexpr int kMostReplayProbes = 10000;  // the server's limit

struct Variant {
  std::string strategy;  // of the server, or one that SeesLabels
  // Where missing, the simulation's own.
  std::optional<int> replay_probes;
  std::optional<double> uniform_share;
};

// By label. A strategy that is played by its own name has none.
using Variants = std::map<std::string, Variant>;

// Reads items like "random" and "mgral_8=mgral:replay_probes=8:uniform_share=0" into labels and
// what those of variants mean. InvalidArgument, naming --strategies and the item, for a label that
// is used twice or is a strategy's name, and for settings that are unknown, out of range, or
// without effect on the strategy.
absl::Status ParseStrategies(const std::vector<std::string>& items,
                             std::vector<std::string>* labels, Variants* variants);

// "mgral:replay_probes=8:uniform_share=0": equal text is an equal variant.
std::string SpecOf(const Variant& variant);

}  // namespace mgral::client
