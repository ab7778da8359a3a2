#include "server/storage/cycle_rows.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

using domain::Cycle;
using domain::CycleStage;
using domain::CycleState;
using domain::JobKind;
using domain::StageProgress;

CycleStage StageOf(JobKind kind) {
  switch (kind) {
    case JobKind::kTrain:
      return CycleStage::kTrain;
    case JobKind::kEmbed:
      return CycleStage::kEmbed;
    case JobKind::kPlan:
    case JobKind::kProbe:
      return CycleStage::kProbe;
    case JobKind::kTable:
      return CycleStage::kTable;
    case JobKind::kSelector:
      return CycleStage::kSelector;
    case JobKind::kPublish:
      return CycleStage::kPublish;
  }
  return CycleStage::kTrain;
}

// Planning is a small part of the probe stage, which so never seems to go back when the probes are
// inserted.
constexpr double kPlanShare = 0.05;

// What part of a cycle's time a stage usually takes, for the ETA.
double UsualShare(CycleStage stage, bool without_table) {
  switch (stage) {
    case CycleStage::kTrain:
      return without_table ? 0.85 : 0.40;
    case CycleStage::kEmbed:
      return without_table ? 0.13 : 0.10;
    case CycleStage::kProbe:
      return without_table ? 0 : 0.40;
    case CycleStage::kTable:
      return without_table ? 0 : 0.02;
    case CycleStage::kSelector:
      return without_table ? 0 : 0.06;
    case CycleStage::kPublish:
      return 0.02;
  }
  return 0;
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
  return report;
}

Cycle ReadCycle(const pqxx::row& row) {
  Cycle cycle;
  cycle.key = row[0].as<int64_t>();
  cycle.pool_key = row[1].as<int64_t>();
  cycle.cycle_id = ReadText(row[2]);
  cycle.state = static_cast<CycleState>(row[3].as<int>());
  cycle.without_table = row[4].as<bool>();
  cycle.revision = row[5].as<int64_t>();
  cycle.create_time = ReadTime(row[6]);
  if (!row[7].is_null()) cycle.end_time = ReadTime(row[7]);
  cycle.error = ReadText(row[8]);
  cycle.training_images = row[9].as<int64_t>();
  cycle.validation_images = row[10].as<int64_t>();
  cycle.map50 = ReadDouble(row[11]);
  cycle.map = ReadDouble(row[12]);
  cycle.predicted_gain = ReadDouble(row[13]);
  cycle.predicted_gain_se = ReadDouble(row[14]);
  if (!row[15].is_null()) cycle.realized_gain = ReadDouble(row[15]);
  cycle.model_version = ReadOptional<int64_t>(row[16]);
  if (!row[17].is_null()) cycle.table = ReadReport(ReadText(row[17]));
  return cycle;
}

StageProgress* FindStage(Cycle* cycle, CycleStage stage) {
  for (StageProgress& progress : cycle->stages) {
    if (progress.stage == stage) return &progress;
  }
  cycle->stages.push_back({});
  cycle->stages.back().stage = stage;
  return &cycle->stages.back();
}

// One row per kind of job that has begun: its mean fraction and the seconds of all of them.
void AddProgress(JobKind kind, double fraction, double seconds, Cycle* cycle) {
  StageProgress* const progress = FindStage(cycle, StageOf(kind));
  if (kind == JobKind::kPlan) {
    progress->fraction += kPlanShare * fraction;
  } else if (kind == JobKind::kProbe) {
    progress->fraction += (1 - kPlanShare) * fraction;
  } else {
    progress->fraction = fraction;
  }
  progress->seconds += seconds;
  cycle->stage = std::max(cycle->stage, progress->stage);
}

void SetEta(absl::Time start, absl::Time now, Cycle* cycle) {
  double done = 0;
  for (const StageProgress& stage : cycle->stages) {
    done += stage.fraction * UsualShare(stage.stage, cycle->without_table);
  }
  if (cycle->state != CycleState::kRunning || done < 0.05) return;
  cycle->eta = now + (now - start) * ((1 - std::min(done, 1.0)) / done);
}

}  // namespace

std::string CycleQuery(const std::string& rest) {
  return absl::StrCat(
      "SELECT c.key, c.pool_key, c.number, c.state, c.without_table, c.revision, ",
      MGRAL_MICROS("c.create_time"), ", ", MGRAL_MICROS("c.end_time"),
      ", c.error, c.training_images, c.validation_images, c.map50, c.map, c.predicted_gain, "
      "c.predicted_gain_se, c.realised_gain, (SELECT m.version FROM model m WHERE m.cycle_key = "
      "c.key AND c.state = 3), (SELECT s.report FROM snapshot s WHERE s.cycle_key = c.key), ",
      MGRAL_MICROS("c.start_time"), ", ", MGRAL_MICROS("clock_timestamp()"), " FROM cycle c ",
      rest);
}

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
  const pqxx::result kinds =
      Exec(tx,
           "SELECT cycle_key, kind, avg(CASE WHEN state = 3 THEN 1 ELSE fraction END), "
           "sum(seconds) FROM job WHERE cycle_key = ANY($1::bigint[]) GROUP BY 1, 2 HAVING "
           "bool_or(lease_token > 0) ORDER BY 1, 2",
           IntArray(keys));
  for (const pqxx::row& row : kinds) {
    AddProgress(static_cast<JobKind>(row[1].as<int>()), ReadDouble(row[2]), ReadDouble(row[3]),
                &cycles[index.at(row[0].as<int64_t>())]);
  }
  const pqxx::result metrics =
      Exec(tx,
           "SELECT j.cycle_key, j.kind, m.key, avg(m.value::double precision) FROM job j, "
           "jsonb_each_text(j.metrics) m WHERE j.cycle_key = ANY($1::bigint[]) AND j.metrics <> "
           "'{}' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
           IntArray(keys));
  for (const pqxx::row& row : metrics) {
    FindStage(&cycles[index.at(row[0].as<int64_t>())],
              StageOf(static_cast<JobKind>(row[1].as<int>())))
        ->metrics.emplace_back(ReadText(row[2]), ReadDouble(row[3]));
  }
  for (size_t i = 0; i < cycles.size(); ++i) {
    if (!rows[i][18].is_null()) SetEta(ReadTime(rows[i][18]), ReadTime(rows[i][19]), &cycles[i]);
  }
  return cycles;
}

absl::Status LockJob(pqxx::work& tx, const domain::JobLease& job) {
  const pqxx::result rows =
      Exec(tx, "SELECT state, lease_token FROM job WHERE key = $1 AND cycle_key = $2 FOR UPDATE",
           job.job_key, job.cycle_key);
  if (rows.empty()) return base::LeaseLost("the cycle was deleted");
  if (rows[0][1].as<int64_t>() != job.token || rows[0][0].as<int>() != 2) {
    return base::LeaseLost("the job was claimed by another worker, finished or given back");
  }
  const pqxx::result cycle =
      Exec(tx, "SELECT state FROM cycle WHERE key = $1 FOR UPDATE", job.cycle_key);
  if (cycle.empty() || cycle[0][0].as<int>() > 2) return base::LeaseLost("the cycle has ended");
  return absl::OkStatus();
}

void InsertJobs(pqxx::work& tx, int64_t cycle_key, const std::vector<domain::NewJob>& jobs) {
  if (jobs.empty()) return;
  std::vector<int64_t> kinds, shards;
  std::vector<std::string> payloads;
  for (const domain::NewJob& job : jobs) {
    kinds.push_back(static_cast<int>(job.kind));
    shards.push_back(job.shard);
    payloads.push_back(job.payload);
  }
  Exec(tx,
       "INSERT INTO job (cycle_key, kind, shard, payload) SELECT $1::bigint, u.* FROM "
       "unnest($2::smallint[], $3::integer[], $4::bytea[]) AS u",
       cycle_key, IntArray(kinds), IntArray(shards), BytesArray(payloads));
  NotifyJobs(tx);
}

void EndCycle(pqxx::work& tx, int64_t cycle_key, CycleState state, const std::string& error) {
  Exec(tx,
       "UPDATE cycle SET state = $2, error = $3, end_time = clock_timestamp(), revision = revision "
       "+ 1 WHERE key = $1",
       cycle_key, static_cast<int>(state), error);
  // Jobs that others have locked are dead by their cycle's state.
  Exec(tx,
       "UPDATE job SET state = 4 WHERE key IN (SELECT key FROM job WHERE cycle_key = $1 AND state "
       "IN (1, 2) FOR UPDATE SKIP LOCKED)",
       cycle_key);
  tx.exec("SELECT pg_notify('mgral_cycle', '')");
}

void TouchCycle(pqxx::work& tx, int64_t cycle_key, bool got_on) {
  Exec(tx,
       "UPDATE cycle SET revision = revision + 1, progress_time = CASE WHEN $2 THEN "
       "clock_timestamp() ELSE progress_time END WHERE key = $1",
       cycle_key, got_on);
  tx.exec("SELECT pg_notify('mgral_cycle', '')");
}

void NotifyJobs(pqxx::work& tx) { tx.exec("SELECT pg_notify('mgral_job', '')"); }

std::string MetricsJson(const std::vector<std::pair<std::string, double>>& metrics) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : metrics) {
    if (std::isfinite(value)) json[name] = value;  // JSON has no NaN
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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
