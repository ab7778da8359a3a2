#include "server/storage/publish_snapshot.h"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/artifact_references.h"
#include "server/storage/cycle_jobs.h"
#include "server/storage/cycle_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/model_rows.h"
#include "server/storage/page_token.h"

namespace mgral::storage {
namespace {

using domain::CycleStore;
using domain::JobLease;

constexpr char kPublishedSnapshot[] = R"sql(
SELECT
  coalesce(s.cycle_key, 0) AS cycle_key,
  s.model_key,
  s.selector_sha256,
  s.manifest_sha256,
  coalesce(t.data, '') AS data
FROM pool p
JOIN snapshot s ON s.key = p.snapshot_key
LEFT JOIN lookup_table t ON t.key = s.table_key
WHERE p.key = $1
)sql";

constexpr char kInsertTable[] = R"sql(
INSERT INTO lookup_table (pool_key, version, cycle_key, data)
VALUES (
  $1,
  (SELECT coalesce(max(version), 0) + 1 FROM lookup_table WHERE pool_key = $1),
  $2,
  $3
)
RETURNING key
)sql";

constexpr char kInsertSnapshot[] = R"sql(
INSERT INTO snapshot (
  pool_key, cycle_key, model_key, table_key, report, strategies, note, selector_sha256,
  manifest_sha256
)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::text[], $7, $8, $9)
RETURNING key
)sql";

constexpr char kInsertImported[] = R"sql(
INSERT INTO snapshot (pool_key, model_key, strategies, note, selector_sha256, manifest_sha256)
SELECT $1, key, '{}', 'an imported model', '', ''
FROM model
WHERE pool_key = $1
  AND version = $2
RETURNING key
)sql";

constexpr char kStoreRealizedGain[] = R"sql(
UPDATE batch
SET realised_gain = $3::double precision[]
WHERE key = $1
  AND pool_key = $2
)sql";

constexpr char kStoreGains[] = R"sql(
UPDATE cycle
SET predicted_gain = $2::double precision,
  predicted_gain_se = $3::double precision,
  realised_gain = $4::double precision
WHERE key = $1
)sql";

constexpr char kMakePublished[] = R"sql(
UPDATE pool
SET previous_snapshot_key = snapshot_key,
  snapshot_key = $2
WHERE key = $1
)sql";

constexpr char kOlderSnapshots[] = R"sql(
SELECT s.key
FROM pool p
JOIN snapshot s ON s.pool_key = p.key
WHERE p.key = $1
  AND s.key <> p.snapshot_key
  AND s.key IS DISTINCT FROM p.previous_snapshot_key
)sql";

// Of a snapshot from before migration 003 it is not known which artifacts it needs.
constexpr char kSnapshotOfModel[] = R"sql(
SELECT
  s.key AS snapshot_key,
  m.import_version,
  coalesce(s.key = p.snapshot_key, false) AS published,
  coalesce(s.key = p.previous_snapshot_key AND s.references_complete, false) AS kept
FROM pool p
JOIN model m ON m.pool_key = p.key
LEFT JOIN snapshot s ON s.model_key = m.key
WHERE p.key = $1
  AND m.version = $2
)sql";

std::optional<int64_t> StoreTable(pqxx::work& tx, const JobLease& job,
                                  const CycleStore::Snapshot& snapshot) {
  if (snapshot.table.empty()) return std::nullopt;
  const pqxx::result rows =
      Exec(tx, kInsertTable, job.pool_key, job.cycle_key, Bytes{snapshot.table});
  return rows[0]["key"].as<int64_t>();
}

void CopyImages(pqxx::work& tx, int64_t snapshot_key, const CycleStore::Snapshot& snapshot) {
  const std::vector<std::string> columns = {"snapshot_key",  "image_key",     "cell",
                                            "entry",         "expected_gain", "predictions",
                                            "expected_boxes"};
  pqxx::stream_to stream = CopyTo(tx, "snapshot_image", columns);
  for (const CycleStore::SnapshotImage& image : snapshot.images) {
    stream << std::make_tuple(snapshot_key, image.image_key, image.cell, BytesLiteral(image.entry),
                              FloatArray(image.expected_gain),
                              BytesLiteral(EncodeBoxes(image.predictions)),
                              Adapt(std::optional<double>(image.expected_boxes)));
  }
  stream.complete();
}

void CopyQueues(pqxx::work& tx, int64_t snapshot_key, const CycleStore::Snapshot& snapshot) {
  const std::vector<std::string> columns = {"snapshot_key", "image_key", "strategy", "position",
                                            "uniform"};
  pqxx::stream_to stream = CopyTo(tx, "queue_entry", columns);
  for (const CycleStore::StrategyQueue& queue : snapshot.queues) {
    const std::string& strategy = Adapt(queue.strategy);
    for (size_t i = 0; i < queue.image_keys.size(); ++i) {
      stream << std::make_tuple(snapshot_key, queue.image_keys[i], strategy,
                                static_cast<int64_t>(i),
                                !queue.uniform.empty() && queue.uniform[i]);
    }
  }
  stream.complete();
}

void StoreRealizedGains(pqxx::work& tx, const JobLease& job, const CycleStore::Snapshot& snapshot) {
  for (const CycleStore::RealizedGain& realized : snapshot.realized) {
    Exec(tx, kStoreRealizedGain, ParseNumericId(realized.batch_id), job.pool_key,
         GainArray(realized.gain));
  }
}

void FinishCycle(pqxx::work& tx, const JobLease& job, const CycleStore::Snapshot& snapshot) {
  Exec(tx, kStoreGains, job.cycle_key, snapshot.predicted_gain, snapshot.predicted_gain_se,
       snapshot.realized_gain);
  EndCycle(tx, job.cycle_key, domain::CycleState::kSucceeded, "");
}

void DropOlderSnapshots(pqxx::work& tx, int64_t pool_key) {
  for (const pqxx::row& row : Exec(tx, kOlderSnapshots, pool_key)) {
    const int64_t key = row["key"].as<int64_t>();
    Exec(tx, "DELETE FROM queue_entry WHERE snapshot_key = $1", key);
    Exec(tx, "DELETE FROM snapshot_image WHERE snapshot_key = $1", key);
  }
}

}  // namespace

absl::Status StoreSnapshot(pqxx::work& tx, const JobLease& job,
                           const CycleStore::Snapshot& snapshot) {
  const pqxx::result model = Exec(tx, "SELECT key FROM model WHERE cycle_key = $1", job.cycle_key);
  if (model.empty()) {
    return base::FailedPrecondition("NO_MODEL", "the cycle has no model to publish");
  }
  std::vector<std::string> strategies;
  for (const CycleStore::StrategyQueue& queue : snapshot.queues) {
    strategies.push_back(queue.strategy);
  }
  std::optional<std::string> report;
  if (snapshot.report) report = ReportJson(*snapshot.report);
  const pqxx::result inserted =
      Exec(tx, kInsertSnapshot, job.pool_key, job.cycle_key, model[0]["key"].as<int64_t>(),
           StoreTable(tx, job, snapshot), report, TextArray(strategies), snapshot.note,
           snapshot.selector_sha256, snapshot.manifest_sha256);
  const int64_t key = inserted[0]["key"].as<int64_t>();
  std::vector<std::string> artifacts = snapshot.artifacts;
  artifacts.insert(artifacts.end(), {snapshot.selector_sha256, snapshot.manifest_sha256});
  Exec(tx, kMakePublished, job.pool_key, key);
  KeepForSnapshot(tx, job.pool_key, key, artifacts);
  CopyImages(tx, key, snapshot);
  CopyQueues(tx, key, snapshot);
  StoreRealizedGains(tx, job, snapshot);
  DropOlderSnapshots(tx, job.pool_key);
  FinishCycle(tx, job, snapshot);
  return absl::OkStatus();
}

absl::Status PublishAgain(pqxx::work& tx, int64_t pool_key, int64_t version) {
  MGRAL_RETURN_IF_ERROR(LockPool(tx, pool_key));
  const pqxx::result rows = Exec(tx, kSnapshotOfModel, pool_key, version);
  const std::string name = absl::StrCat("models/", version);
  if (rows.empty()) return base::NotFound("model", name);
  const pqxx::row row = rows[0];
  if (row["snapshot_key"].is_null()) {
    return base::FailedPrecondition(
        "NOT_PUBLISHED",
        absl::StrCat(name,
                     " was never published: its cycle has not succeeded, or it was imported and "
                     "not complete"),
        "name");
  }
  const auto start = ReadOptional<int64_t>(row["import_version"]);
  if (row["published"].as<bool>()) {
    StoreStart(tx, pool_key, start);
    return absl::OkStatus();
  }
  if (!row["kept"].as<bool>()) {
    return base::FailedPrecondition(
        "SNAPSHOT_NOT_KEPT",
        absl::StrCat("the snapshot of ", name,
                     " is no longer kept: only the published model, and the one that it replaced, "
                     "can be rolled back to"),
        "name");
  }
  Exec(tx, kMakePublished, pool_key, row["snapshot_key"].as<int64_t>());
  StoreStart(tx, pool_key, start);
  return absl::OkStatus();
}

void PublishImported(pqxx::work& tx, int64_t pool_key, int64_t version) {
  const pqxx::row snapshot = Exec(tx, kInsertImported, pool_key, version)[0];
  const int64_t key = snapshot["key"].as<int64_t>();
  Exec(tx, kMakePublished, pool_key, key);
  KeepForSnapshot(tx, pool_key, key, {});
  DropOlderSnapshots(tx, pool_key);
}

absl::StatusOr<std::optional<CycleStore::Published>> LoadPublishedSnapshot(pqxx::work& tx,
                                                                           int64_t pool_key) {
  using Result = std::optional<CycleStore::Published>;
  const pqxx::result rows = Exec(tx, kPublishedSnapshot, pool_key);
  if (rows.empty()) return Result();
  const pqxx::row row = rows[0];
  const pqxx::result models =
      Exec(tx, ModelQuery("WHERE m.key = $1"), row["model_key"].as<int64_t>());
  if (models.empty()) return Result();
  MGRAL_ASSIGN_OR_RETURN(domain::Model model, ReadModel(models[0]));
  return Result({row["cycle_key"].as<int64_t>(), std::move(model), ReadText(row["selector_sha256"]),
                 ReadText(row["manifest_sha256"]), ReadBytes(row["data"])});
}

}  // namespace mgral::storage
