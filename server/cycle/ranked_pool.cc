#include "server/cycle/ranked_pool.h"

#include "nlohmann/json.hpp"

namespace mgral::cycle {

using nlohmann::json;

std::string ToJson(const RankedPool& ranked) {
  json out = {{"queues", json::array()},
              {"selector", ranked.selector_sha256},
              {"selector_gain", ranked.selector_gain},
              {"greedy_gain", ranked.greedy_gain}};
  for (const auto& queue : ranked.queues) {
    out["queues"].push_back({{"strategy", queue.first}, {"keys", queue.second}});
  }
  return out.dump();
}

absl::StatusOr<RankedPool> ParseRanked(const std::string& text) {
  try {
    const json in = json::parse(text);
    RankedPool ranked;
    for (const json& queue : in.at("queues")) {
      ranked.queues.emplace_back(queue.at("strategy").get<std::string>(),
                                 queue.at("keys").get<std::string>());
    }
    ranked.selector_sha256 = in.at("selector").get<std::string>();
    ranked.selector_gain = in.at("selector_gain").get<double>();
    ranked.greedy_gain = in.at("greedy_gain").get<double>();
    return ranked;
  } catch (const json::exception& error) {
    return absl::DataLossError(std::string("cannot read the ranking: ") + error.what());
  }
}

absl::StatusOr<std::optional<domain::ModelRuntime::TableResult>> LoadTable(
    const StageContext& stage) {
  const auto sha256 = ResultOf(stage, domain::JobKind::kTable);
  if (!sha256.ok()) return sha256.status();
  if (sha256->empty()) return std::optional<domain::ModelRuntime::TableResult>();
  const auto bytes = stage.ports.artifacts->Get(*sha256);
  if (!bytes.ok()) return bytes.status();
  auto table = ReadTable(*bytes);
  if (!table.ok()) return table.status();
  return std::optional<domain::ModelRuntime::TableResult>(*std::move(table));
}

}  // namespace mgral::cycle
