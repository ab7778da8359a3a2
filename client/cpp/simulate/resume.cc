#include "client/cpp/simulate/resume.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

// What two simulations may differ in and still be compared. Rates only say what a run costs, except
// where a table chose by them.
bool IsFree(const std::string& key, const Results& found) {
  if (key == "strategies" || key == "variants" || key == "seeds" || key == "started") return true;
  if (key != "seconds_per_image" && key != "seconds_per_box") return false;
  return std::none_of(found.runs.begin(), found.runs.end(), [&found](const StrategyRun& run) {
    return NeedsTable(StrategyOf(found, run.strategy));
  });
}

absl::Status Differs(const std::string& what, const nlohmann::ordered_json& found,
                     const nlohmann::ordered_json& wanted) {
  const auto text = [](const nlohmann::ordered_json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  return absl::FailedPreconditionError(absl::StrCat("--resume: the results in --out have ", what,
                                                    " ", text(found), ", not ", text(wanted),
                                                    "; choose another --out"));
}

absl::Status CheckSameProtocol(const Results& found, const Results& wanted) {
  if (found.dataset != wanted.dataset) return Differs("dataset", found.dataset, wanted.dataset);
  if (found.classes != wanted.classes) return Differs("classes", found.classes, wanted.classes);
  for (const auto& [key, value] : wanted.protocol.items()) {
    if (IsFree(key, found)) continue;
    // Without an option the server's default profile is meant, which the results name.
    if (key == "profile" && value == "") continue;
    const auto at = found.protocol.find(key);
    const nlohmann::ordered_json other = at == found.protocol.end() ? nullptr : *at;
    if (other != value) return Differs(key, other, value);
  }
  const std::vector<std::string> known = StrategyNames(found);
  for (const auto& label : wanted.protocol.at("strategies")) {
    const std::string name = label.get<std::string>();
    const std::string before = SpecOf(found, name), now = SpecOf(wanted, name);
    if (before != now && std::find(known.begin(), known.end(), name) != known.end()) {
      return Differs(absl::StrCat("strategy ", name), before, now);
    }
  }
  return absl::OkStatus();
}

// The items of both lists, those of `found` first.
nlohmann::ordered_json Union(const nlohmann::ordered_json& found, nlohmann::ordered_json wanted) {
  if (!found.is_array()) return wanted;
  nlohmann::ordered_json both = found;
  for (const auto& item : wanted) {
    if (std::find(both.begin(), both.end(), item) == both.end()) both.push_back(item);
  }
  return both;
}

}  // namespace

absl::StatusOr<Results> KeepFinishedRuns(Results found, Results wanted,
                                         const SimulateOptions& options) {
  if (absl::Status status = CheckSameProtocol(found, wanted); !status.ok()) return status;
  for (const char* key : {"strategies", "seeds"}) {
    wanted.protocol[key] = Union(found.protocol[key], wanted.protocol[key]);
  }
  for (const char* key : {"profile", "started"}) {
    if (found.protocol.contains(key) && found.protocol[key].is_string())
      wanted.protocol[key] = found.protocol[key];
  }
  std::set<std::pair<std::string, int64_t>> kept;
  for (StrategyRun& run : found.runs) {
    if (!run.complete || !kept.emplace(run.strategy, run.seed).second) continue;
    const std::string spec = SpecOf(found, run.strategy);
    if (spec != run.strategy) wanted.protocol["variants"][run.strategy] = spec;
    for (CurvePoint& point : run.points) point.cost = CostOf(point, options);
    wanted.runs.push_back(std::move(run));
  }
  for (LookupRow& row : found.lookup) {
    if (kept.count({row.strategy, row.seed}) > 0) wanted.lookup.push_back(std::move(row));
  }
  return wanted;
}

}  // namespace mgral::client
