#include "client/cpp/simulate/variant.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/report/results.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

constexpr size_t kLongestName = 40;

absl::Status BadItem(const std::string& item, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--strategies: \"", item, "\": ", why));
}

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == '.';
         });
}

bool IsStrategy(const std::string& name) {
  return SeesLabels(name) || domain::StrategyNamed(name).has_value();
}

// Of a newer server's strategies nothing is known.
bool MayUseTable(const std::string& strategy) {
  if (SeesLabels(strategy)) return false;
  const auto known = domain::StrategyNamed(strategy);
  return !known || domain::InfoOf(*known).needs_table;
}

absl::Status ReadSetting(const std::string& item, const std::string& setting, Variant* variant) {
  const std::vector<std::string> parts = absl::StrSplit(setting, absl::MaxSplits('=', 1));
  const std::string value = parts.size() > 1 ? parts[1] : "";
  if (parts[0] == "replay_probes") {
    int probes = 0;
    if (!absl::SimpleAtoi(value, &probes) || probes < -1 || probes > kMostReplayProbes) {
      return BadItem(item, absl::StrCat("replay_probes: -1 (none) to ", kMostReplayProbes,
                                        " expected; 0 is the profile's"));
    }
    if (variant->replay_probes) return BadItem(item, "replay_probes is given twice");
    variant->replay_probes = probes;
  } else if (parts[0] == "uniform_share") {
    double share = 0;
    if (!absl::SimpleAtod(value, &share) || !(share >= 0 && share < 1)) {
      return BadItem(item, "uniform_share: at least 0 and less than 1 expected");
    }
    if (variant->uniform_share) return BadItem(item, "uniform_share is given twice");
    variant->uniform_share = share;
  } else {
    return BadItem(item, absl::StrCat("there is no setting \"", parts[0],
                                      "\"; there are replay_probes and uniform_share"));
  }
  if (!MayUseTable(variant->strategy)) {
    return BadItem(item, absl::StrCat(parts[0], " has no effect on ", variant->strategy,
                                      ", which needs no table"));
  }
  return absl::OkStatus();
}

// LABEL=STRATEGY[:SETTING=VALUE]...
absl::Status ReadVariant(const std::string& item, std::string* label, Variant* variant) {
  const std::vector<std::string> sides = absl::StrSplit(item, absl::MaxSplits('=', 1));
  *label = sides[0];
  const std::vector<std::string> parts = absl::StrSplit(sides.size() > 1 ? sides[1] : "", ':');
  variant->strategy = parts[0];
  for (const std::string& name : {*label, variant->strategy}) {
    if (!IsName(name)) {
      return BadItem(
          item, absl::StrCat("LABEL=STRATEGY:SETTING=VALUE expected; \"", name, "\" is not 1 to ",
                             kLongestName, " letters, digits, '_', '-', and '.'"));
    }
  }
  if (IsStrategy(*label)) return BadItem(item, "a label must not be the name of a strategy");
  for (size_t i = 1; i < parts.size(); ++i) {
    if (absl::Status status = ReadSetting(item, parts[i], variant); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseStrategies(const std::vector<std::string>& items,
                             std::vector<std::string>* labels, Variants* variants) {
  std::set<std::string> seen;
  for (const std::string& item : items) {
    std::string label = item;
    if (item.find_first_of("=:") != std::string::npos) {
      Variant variant;
      if (absl::Status status = ReadVariant(item, &label, &variant); !status.ok()) return status;
      (*variants)[label] = std::move(variant);
    } else if (!IsName(item)) {
      return BadItem(item, "is not the name of a strategy");
    }
    if (!seen.insert(label).second) {
      return BadItem(item, absl::StrCat("\"", label, "\" is given twice"));
    }
    labels->push_back(std::move(label));
  }
  return absl::OkStatus();
}

std::string SpecOf(const Variant& variant) {
  std::string spec = variant.strategy;
  if (variant.replay_probes) absl::StrAppend(&spec, ":replay_probes=", *variant.replay_probes);
  if (variant.uniform_share) absl::StrAppend(&spec, ":uniform_share=", *variant.uniform_share);
  return spec;
}

}  // namespace mgral::client
