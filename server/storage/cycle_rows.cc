#include "server/storage/cycle_rows.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/domain/cycle_progress.h"
#include "server/storage/encoding.h"
#include "server/storage/left_out_images.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

using domain::Cycle;
using domain::CycleState;
using domain::JobKind;

constexpr char kSelectCycle[] = R"sql(
SELECT
  c.key,
  c.pool_key,
  c.number,
  c.state,
  c.without_table,
  c.revision,
  (extract(epoch FROM c.create_time) * 1000000)::bigint AS create_time,
  (extract(epoch FROM c.start_time) * 1000000)::bigint AS start_time,
  (extract(epoch FROM c.end_time) * 1000000)::bigint AS end_time,
  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
  c.error,
  c.training_images,
  c.validation_images,
  c.map50,
  c.map,
  c.predicted_gain,
  c.predicted_gain_se,
  c.realised_gain,
  (
    SELECT m.version
    FROM model m
    WHERE m.cycle_key = c.key
      AND c.state = {cycle.succeeded}
  ) AS model_version,
  (SELECT s.report FROM snapshot s WHERE s.cycle_key = c.key) AS report
FROM cycle c
)sql";

// One row per kind of job that has begun.
constexpr char kJobProgress[] = R"sql(
SELECT
  cycle_key,
  kind,
  avg(CASE WHEN state = {job.done} THEN 1 ELSE fraction END) AS fraction,
  sum(seconds) AS seconds
FROM job
WHERE cycle_key = ANY($1::bigint[])
GROUP BY cycle_key, kind
HAVING bool_or(lease_token > 0)
ORDER BY cycle_key, kind
)sql";

constexpr char kJobMetrics[] = R"sql(
SELECT j.cycle_key, j.kind, m.key AS name, avg(m.value::double precision) AS value
FROM job j, jsonb_each_text(j.metrics) m
WHERE j.cycle_key = ANY($1::bigint[])
  AND j.metrics <> '{}'
GROUP BY j.cycle_key, j.kind, m.key
ORDER BY j.cycle_key, j.kind, m.key
)sql";

constexpr char kCycleInputs[] = R"sql(
SELECT c.inputs, coalesce(c.work_id::text, '') AS work_id, m.version
FROM cycle c
LEFT JOIN model m ON m.cycle_key = c.key
WHERE c.key = $1
)sql";

std::vector<domain::FeatureWeight> ReadWeights(const nlohmann::json& report) {
  std::vector<domain::FeatureWeight> weights;
  for (const nlohmann::json& one : report.value("weights", nlohmann::json::array())) {
    weights.push_back({one.value("feature", ""), one.value("weight", 0.0),
                       one.value("covariance", std::vector<double>()),
                       one.value("prior_weight", 0.0), one.value("prior_sd", 0.0),
                       one.value("random_gain", 0.0)});
  }
  return weights;
}

domain::TableReport ReadReport(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  domain::TableReport report;
  if (!json.is_object()) return report;
  report.probes = json.value("probes", int64_t{0});
  report.replay_probes = json.value("replay_probes", int64_t{0});
  report.cells = json.value("cells", int64_t{0});
  if (json.contains("fidelity")) report.fidelity = json.value("fidelity", 0.0);
  report.response_fidelity = json.value("response_fidelity", 0.0);
  report.seconds_per_probe = json.value("seconds_per_probe", 0.0);
  report.seconds_per_lookup = json.value("seconds_per_lookup", 0.0);
  report.selector_gain = json.value("selector_gain", 0.0);
  report.greedy_gain = json.value("greedy_gain", 0.0);
  report.test_retest = json.value("test_retest", 0.0);
  report.weights = ReadWeights(json);
  report.weights_fitted = json.value("weights_fitted", false);
  report.kappa = json.value("kappa", 0.0);
  report.kappa_sd = json.value("kappa_sd", 0.0);
  report.residual_share = json.value("residual_share", 0.0);
  report.level = json.value("level", 0.0);
  return report;
}

Cycle ReadCycle(const pqxx::row& row) {
  Cycle cycle;
  cycle.key = row["key"].as<int64_t>();
  cycle.pool_key = row["pool_key"].as<int64_t>();
  cycle.cycle_id = ReadText(row["number"]);
  cycle.state = static_cast<CycleState>(row["state"].as<int>());
  cycle.without_table = row["without_table"].as<bool>();
  cycle.revision = row["revision"].as<int64_t>();
  cycle.create_time = ReadTime(row["create_time"]);
  if (!row["end_time"].is_null()) cycle.end_time = ReadTime(row["end_time"]);
  cycle.error = ReadText(row["error"]);
  cycle.training_images = row["training_images"].as<int64_t>();
  cycle.validation_images = row["validation_images"].as<int64_t>();
  cycle.map50 = ReadDouble(row["map50"]);
  cycle.map = ReadDouble(row["map"]);
  cycle.predicted_gain = ReadDouble(row["predicted_gain"]);
  cycle.predicted_gain_se = ReadDouble(row["predicted_gain_se"]);
  if (!row["realised_gain"].is_null()) cycle.realized_gain = ReadDouble(row["realised_gain"]);
  cycle.model_version = ReadOptional<int64_t>(row["model_version"]);
  if (!row["report"].is_null()) cycle.table = ReadReport(ReadText(row["report"]));
  return cycle;
}

}  // namespace

std::string CycleQuery(absl::string_view rest) { return absl::StrCat(kSelectCycle, rest); }

absl::StatusOr<std::vector<Cycle>> ReadCycles(pqxx::work& tx, const pqxx::result& rows) {
  std::vector<Cycle> cycles;
  std::vector<int64_t> keys;
  absl::flat_hash_map<int64_t, size_t> index;
  for (const pqxx::row& row : rows) {
    cycles.push_back(ReadCycle(row));
    index[cycles.back().key] = keys.size();
    keys.push_back(cycles.back().key);
  }
  if (cycles.empty()) return cycles;
  ReadLeftOut(tx, &cycles);
  for (const pqxx::row& row : Exec(tx, kJobProgress, IntArray(keys))) {
    domain::AddJobProgress({static_cast<JobKind>(row["kind"].as<int>()),
                            ReadDouble(row["fraction"]), ReadDouble(row["seconds"])},
                           &cycles[index.at(row["cycle_key"].as<int64_t>())]);
  }
  for (const pqxx::row& row : Exec(tx, kJobMetrics, IntArray(keys))) {
    domain::AddStageMetric(static_cast<JobKind>(row["kind"].as<int>()), ReadText(row["name"]),
                           ReadDouble(row["value"]),
                           &cycles[index.at(row["cycle_key"].as<int64_t>())]);
  }
  for (size_t i = 0; i < cycles.size(); ++i) {
    if (rows[i]["start_time"].is_null()) continue;
    domain::EstimateEnd(ReadTime(rows[i]["start_time"]), ReadTime(rows[i]["now"]), &cycles[i]);
  }
  return cycles;
}

absl::StatusOr<domain::CycleStore::CycleContext> LoadContext(pqxx::work& tx,
                                                             const domain::JobLease& job) {
  MGRAL_ASSIGN_OR_RETURN(std::vector<Cycle> cycles,
                         ReadCycles(tx, Exec(tx, CycleQuery("WHERE c.key = $1"), job.cycle_key)));
  domain::CycleStore::CycleContext context;
  context.cycle = std::move(cycles.at(0));
  MGRAL_ASSIGN_OR_RETURN(context.pool, LoadPool(tx, context.cycle.pool_key));
  const pqxx::row row = Exec(tx, kCycleInputs, job.cycle_key)[0];
  context.inputs = ReadBytes(row["inputs"]);
  context.work_id = ReadText(row["work_id"]);
  context.cycle.model_version = ReadOptional<int64_t>(row["version"]);
  return context;
}

std::string ReportJson(const domain::TableReport& report) {
  nlohmann::json json;
  json["probes"] = report.probes;
  json["replay_probes"] = report.replay_probes;
  json["cells"] = report.cells;
  const auto set = [&json](const char* name, double value) {
    if (std::isfinite(value)) json[name] = value;
  };
  if (report.fidelity) set("fidelity", *report.fidelity);
  set("response_fidelity", report.response_fidelity);
  set("seconds_per_probe", report.seconds_per_probe);
  set("seconds_per_lookup", report.seconds_per_lookup);
  set("selector_gain", report.selector_gain);
  set("greedy_gain", report.greedy_gain);
  set("test_retest", report.test_retest);
  for (const domain::FeatureWeight& weight : report.weights) {
    json["weights"].push_back({{"feature", weight.feature},
                               {"weight", weight.weight},
                               {"covariance", weight.covariance},
                               {"prior_weight", weight.prior_weight},
                               {"prior_sd", weight.prior_sd},
                               {"random_gain", weight.random_gain}});
  }
  json["weights_fitted"] = report.weights_fitted;
  set("kappa", report.kappa);
  set("kappa_sd", report.kappa_sd);
  set("residual_share", report.residual_share);
  set("level", report.level);
  return json.dump();
}

}  // namespace mgral::storage
