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

constexpr char kSelectModel[] = R"sql(
SELECT
  m.key,
  m.version,
  (SELECT number FROM cycle WHERE key = m.cycle_key) AS cycle_number,
  EXISTS (
    SELECT 1
    FROM pool p
    JOIN snapshot s ON s.key = p.snapshot_key
    WHERE p.key = m.pool_key
      AND s.model_key = m.key
  ) AS published,
  m.profile,
  m.parameters,
  m.weights_sha256,
  m.training_images,
  m.external_model,
  m.validation_images,
  m.map50,
  m.map50_11_point,
  m.map,
  m.class_ap50,
  m.class_ap50_11_point,
  m.class_ap,
  m.class_boxes,
  (extract(epoch FROM m.create_time) * 1000000)::bigint AS create_time
FROM model m
)sql";

constexpr char kStoreModel[] = R"sql(
INSERT INTO model (
  pool_key, version, cycle_key, profile, parameters, weights_sha256, cold_start, training_images,
  validation_images, map50, map50_11_point, map, class_ap50, class_ap50_11_point, class_ap,
  class_boxes, external_model
)
VALUES (
  $1,
  (SELECT coalesce(max(version), 0) + 1 FROM model WHERE pool_key = $1),
  $2, $3, $4, $5, $6, $7, $8,
  $9::double precision,
  $10::double precision,
  $11::double precision,
  $12::double precision[],
  $13::double precision[],
  $14::double precision[],
  $15::bigint[],
  $16
)
ON CONFLICT (cycle_key) DO UPDATE
SET profile = excluded.profile,
  parameters = excluded.parameters,
  weights_sha256 = excluded.weights_sha256,
  cold_start = excluded.cold_start,
  training_images = excluded.training_images,
  validation_images = excluded.validation_images,
  map50 = excluded.map50,
  map50_11_point = excluded.map50_11_point,
  map = excluded.map,
  class_ap50 = excluded.class_ap50,
  class_ap50_11_point = excluded.class_ap50_11_point,
  class_ap = excluded.class_ap,
  class_boxes = excluded.class_boxes,
  external_model = excluded.external_model
RETURNING version
)sql";

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

std::string ModelQuery(absl::string_view rest) { return absl::StrCat(kSelectModel, rest); }

absl::StatusOr<domain::Model> ReadModel(const pqxx::row& row) {
  domain::Model model;
  model.key = row["key"].as<int64_t>();
  model.version = row["version"].as<int64_t>();
  model.cycle_id = ReadText(row["cycle_number"]);
  model.published = row["published"].as<bool>();
  model.profile = ReadText(row["profile"]);
  model.parameters = row["parameters"].as<int64_t>();
  model.weights_sha256 = ReadText(row["weights_sha256"]);
  model.training_images = row["training_images"].as<int64_t>();
  model.external_model = ReadText(row["external_model"]);
  model.validation.images = row["validation_images"].as<int64_t>();
  model.validation.map50 = ReadDouble(row["map50"]);
  model.validation.map50_11_point = ReadDouble(row["map50_11_point"]);
  model.validation.map = ReadDouble(row["map"]);
  MGRAL_ASSIGN_OR_RETURN(const auto ap50, ParseDoubleArray(ReadText(row["class_ap50"])));
  MGRAL_ASSIGN_OR_RETURN(const auto ap50_11_point,
                         ParseDoubleArray(ReadText(row["class_ap50_11_point"])));
  MGRAL_ASSIGN_OR_RETURN(const auto ap, ParseDoubleArray(ReadText(row["class_ap"])));
  MGRAL_ASSIGN_OR_RETURN(const auto boxes, ParseIntArray(ReadText(row["class_boxes"])));
  for (size_t c = 0; c < boxes.size(); ++c) {
    model.validation.classes.push_back({ap50.at(c), ap50_11_point.at(c), ap.at(c), boxes.at(c)});
  }
  model.create_time = ReadTime(row["create_time"]);
  return model;
}

int64_t StoreModel(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                   const domain::CycleStore::TrainedModel& model) {
  std::vector<double> ap50, ap50_11_point, ap;
  std::vector<int64_t> boxes;
  for (const domain::ClassAccuracy& accuracy : model.validation.classes) {
    ap50.push_back(accuracy.ap50);
    ap50_11_point.push_back(accuracy.ap50_11_point);
    ap.push_back(accuracy.ap);
    boxes.push_back(accuracy.ground_truth_boxes);
  }
  const pqxx::result rows = Exec(
      tx, kStoreModel, pool_key, cycle_key, model.profile, model.parameters, model.weights_sha256,
      model.cold_start, model.training_images, model.validation.images, model.validation.map50,
      model.validation.map50_11_point, model.validation.map, DoubleArray(ap50),
      DoubleArray(ap50_11_point), DoubleArray(ap), IntArray(boxes), model.external_model);
  return rows[0]["version"].as<int64_t>();
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
  return json.dump();
}

}  // namespace mgral::storage
