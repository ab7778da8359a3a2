#include "server/storage/postgres_cycle_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/artifact_references.h"
#include "server/storage/batch_rows.h"
#include "server/storage/cycle_jobs.h"
#include "server/storage/cycle_rows.h"
#include "server/storage/page_token.h"
#include "server/storage/pool_rows.h"
#include "server/storage/publish_snapshot.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::Cycle;
using domain::Model;
using domain::Page;

constexpr absl::Duration kPollInterval = absl::Seconds(2);

// Batches whose newest labels came after the published cycle began and before the running one did.
constexpr char kBatchesSincePublished[] = R"sql(
JOIN LATERAL (
  SELECT max(r.create_time) AS newest
  FROM label_revision r
  WHERE r.batch_key = b.key
) AS l ON true
WHERE b.pool_key = $1
  AND b.realised_gain IS NULL
  AND l.newest IS NOT NULL
  AND l.newest > coalesce(
    (
      SELECT c.start_time
      FROM pool p
      JOIN snapshot s ON s.key = p.snapshot_key
      JOIN cycle c ON c.key = s.cycle_key
      WHERE p.key = $1
    ),
    '-infinity'
  )
  AND l.newest <= coalesce(
    (
      SELECT c.start_time
      FROM cycle c
      WHERE c.pool_key = $1
        AND c.state IN ({cycle.queued}, {cycle.running})
    ),
    'infinity'
  )
ORDER BY b.key
)sql";

constexpr char kRealizedBatches[] = R"sql(
WHERE b.pool_key = $1
  AND b.realised_gain IS NOT NULL
ORDER BY b.key
)sql";

constexpr char kListCycles[] = R"sql(
WHERE c.pool_key = $1
  AND c.key < $2
ORDER BY c.key DESC
LIMIT $3
)sql";

// Locks the pool's row: two starts at once come one after the other.
constexpr char kNumberCycle[] = R"sql(
UPDATE pool
SET cycles = cycles + 1
WHERE key = $1
RETURNING cycles AS number, pool_id
)sql";

constexpr char kFindRunningCycle[] = R"sql(
SELECT number
FROM cycle
WHERE pool_key = $1
  AND state IN ({cycle.queued}, {cycle.running})
)sql";

constexpr char kInsertCycle[] = R"sql(
INSERT INTO cycle (pool_key, number, without_table)
VALUES ($1, $2, $3)
RETURNING key
)sql";

constexpr char kFindCycle[] = R"sql(
SELECT key, revision
FROM cycle
WHERE pool_key = $1
  AND number = $2
)sql";

constexpr char kCycleInputs[] = R"sql(
SELECT c.inputs, coalesce(c.work_id::text, '') AS work_id, m.version
FROM cycle c
LEFT JOIN model m ON m.cycle_key = c.key
WHERE c.key = $1
)sql";

constexpr char kFixInputs[] = R"sql(
UPDATE cycle
SET inputs = $2,
  work_id = gen_random_uuid()
WHERE key = $1
  AND work_id IS NULL
)sql";

constexpr char kLiveWorkIds[] = R"sql(
SELECT work_id
FROM cycle
WHERE end_time IS NULL
  AND work_id IS NOT NULL
)sql";

constexpr char kStoreAccuracy[] = R"sql(
UPDATE cycle
SET training_images = $2,
  validation_images = $3,
  map50 = $4::double precision,
  map = $5::double precision
WHERE key = $1
)sql";

constexpr char kPublishedSnapshot[] = R"sql(
SELECT
  s.cycle_key,
  s.model_key,
  s.selector_sha256,
  s.manifest_sha256,
  coalesce(t.data, '') AS data
FROM pool p
JOIN snapshot s ON s.key = p.snapshot_key
LEFT JOIN lookup_table t ON t.key = s.table_key
WHERE p.key = $1
)sql";

constexpr char kModelOfVersion[] = "WHERE m.pool_key = $1 AND m.version = $2";

constexpr char kListModels[] = R"sql(
WHERE m.pool_key = $1
  AND m.version < $2
ORDER BY m.version DESC
LIMIT $3
)sql";

absl::Status CycleNotFound(const std::string& cycle_id) {
  return base::NotFound("cycle", absl::StrCat("cycles/", cycle_id));
}

absl::StatusOr<Cycle> LoadCycle(pqxx::work& tx, int64_t pool_key, const std::string& cycle_id) {
  MGRAL_ASSIGN_OR_RETURN(
      std::vector<Cycle> cycles,
      ReadCycles(tx, Exec(tx, CycleQuery("WHERE c.pool_key = $1 AND c.number = $2"), pool_key,
                          ParseNumericId(cycle_id))));
  if (cycles.empty()) return CycleNotFound(cycle_id);
  return std::move(cycles.front());
}

// The new cycle's number. Errors: NOT_FOUND; ALREADY_EXISTS naming the cycle that runs.
absl::StatusOr<int64_t> InsertCycle(pqxx::work& tx, int64_t pool_key, bool without_table) {
  const pqxx::result pool = Exec(tx, kNumberCycle, pool_key);
  if (pool.empty()) return PoolNotFound();
  const pqxx::result running = Exec(tx, kFindRunningCycle, pool_key);
  if (!running.empty()) {
    return base::AlreadyExists("cycle",
                               absl::StrCat("pools/", ReadText(pool[0]["pool_id"]), "/cycles/",
                                            running[0]["number"].as<int64_t>()),
                               "it is still running; wait for it or cancel it");
  }
  const int64_t number = pool[0]["number"].as<int64_t>();
  const pqxx::result cycle = Exec(tx, kInsertCycle, pool_key, number, without_table);
  InsertJobs(tx, cycle[0]["key"].as<int64_t>(), {domain::NewJob{}});
  return number;
}

// The cycle of a job that the caller has locked.
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

}  // namespace

absl::StatusOr<Cycle> PostgresCycleStore::StartCycle(int64_t pool_key, bool without_table,
                                                     const domain::RequestKey& request) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Cycle> {
    MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, pool_key, request));
    if (answer) return LoadCycle(tx, pool_key, absl::StrCat(answer->at(0)));
    MGRAL_ASSIGN_OR_RETURN(const int64_t number, InsertCycle(tx, pool_key, without_table));
    StoreAnswer(tx, pool_key, request, {number});
    return LoadCycle(tx, pool_key, absl::StrCat(number));
  });
}

absl::StatusOr<Cycle> PostgresCycleStore::GetCycle(int64_t pool_key, const std::string& cycle_id) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadCycle(tx, pool_key, cycle_id); });
}

absl::StatusOr<Page<Cycle>> PostgresCycleStore::ListCycles(int64_t pool_key,
                                                           const domain::PageRequest& page) {
  const std::string scope = absl::StrCat("cycles/", pool_key);
  MGRAL_ASSIGN_OR_RETURN(const int64_t before,
                         DecodePageToken(page.token, scope, std::numeric_limits<int64_t>::max()));
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Cycle>> {
        MGRAL_ASSIGN_OR_RETURN(
            std::vector<Cycle> cycles,
            ReadCycles(tx, Exec(tx, CycleQuery(kListCycles), pool_key, before, page.size + 1)));
        Page<Cycle> result{std::move(cycles), ""};
        CutPage(
            page, scope, [](const Cycle& cycle) { return cycle.key; }, &result);
        return result;
      });
}

absl::StatusOr<Cycle> PostgresCycleStore::WaitForChange(int64_t pool_key,
                                                        const std::string& cycle_id, int64_t seen,
                                                        absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    const uint64_t generation = listener_.Generation(ChangeListener::Topic::kCycle);
    MGRAL_ASSIGN_OR_RETURN(
        const int64_t revision,
        InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<int64_t> {
          const pqxx::result rows = Exec(tx, kFindCycle, pool_key, ParseNumericId(cycle_id));
          if (rows.empty()) return CycleNotFound(cycle_id);
          return rows[0]["revision"].as<int64_t>();
        }));
    const absl::Duration left = deadline - absl::Now();
    if (revision != seen || left <= absl::ZeroDuration()) return GetCycle(pool_key, cycle_id);
    listener_.Wait(ChangeListener::Topic::kCycle, generation, std::min(left, kPollInterval));
  }
}

absl::StatusOr<Cycle> PostgresCycleStore::CancelCycle(int64_t pool_key,
                                                      const std::string& cycle_id) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Cycle> {
    const pqxx::result rows = Exec(tx, kFindCycle, pool_key, ParseNumericId(cycle_id));
    if (rows.empty()) return CycleNotFound(cycle_id);
    const int64_t key = rows[0]["key"].as<int64_t>();
    if (LockLiveCycle(tx, key)) EndCycle(tx, key, domain::CycleState::kCanceled, "");
    return LoadCycle(tx, pool_key, cycle_id);
  });
}

absl::StatusOr<domain::CycleStore::CycleContext> PostgresCycleStore::ContextOf(
    const domain::JobLease& job) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<CycleContext> {
                         MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
                         return LoadContext(tx, job);
                       });
}

absl::StatusOr<domain::CycleStore::CycleContext> PostgresCycleStore::FixInputs(
    const domain::JobLease& job, const std::string& inputs) {
  return InTransaction(connections_, Access::kWrite,
                       [&](pqxx::work& tx) -> absl::StatusOr<CycleContext> {
                         MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
                         Exec(tx, kFixInputs, job.cycle_key, Bytes{inputs});
                         return LoadContext(tx, job);
                       });
}

absl::StatusOr<std::vector<std::string>> PostgresCycleStore::LiveWorkIds() {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
                         std::vector<std::string> ids;
                         for (const pqxx::row& row : Exec(tx, kLiveWorkIds)) {
                           ids.push_back(ReadText(row["work_id"]));
                         }
                         return ids;
                       });
}

absl::Status PostgresCycleStore::KeepArtifacts(const domain::JobLease& job,
                                               const std::vector<std::string>& sha256s) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    KeepForCycle(tx, job.pool_key, job.cycle_key, sha256s);
    return absl::OkStatus();
  });
}

absl::StatusOr<Model> PostgresCycleStore::RecordModel(const domain::JobLease& job,
                                                      const TrainedModel& model) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Model> {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    const int64_t version = StoreModel(tx, job.pool_key, job.cycle_key, model);
    Exec(tx, kStoreAccuracy, job.cycle_key, model.training_images, model.validation.images,
         model.validation.map50, model.validation.map);
    TouchCycle(tx, job.cycle_key, true);
    return ReadModel(Exec(tx, ModelQuery(kModelOfVersion), job.pool_key, version)[0]);
  });
}

absl::Status PostgresCycleStore::Publish(const domain::JobLease& job, const Snapshot& snapshot,
                                         double seconds) {
  MGRAL_RETURN_IF_ERROR(InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    FinishJob(tx, job.job_key, "", seconds, {});
    return StoreSnapshot(tx, job, snapshot);
  }));
  // The planner would otherwise believe that the new snapshot is empty. Only a hint: the snapshot
  // is published whatever comes of it.
  InTransaction(connections_, Access::kRead, [](pqxx::work& tx) {
    Exec(tx, "ANALYZE snapshot_image, queue_entry");
    return absl::OkStatus();
  }).IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<domain::CycleStore::Published>> PostgresCycleStore::PublishedSnapshot(
    int64_t pool_key) {
  using Result = std::optional<Published>;
  return InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Result> {
    const pqxx::result rows = Exec(tx, kPublishedSnapshot, pool_key);
    if (rows.empty()) return Result();
    const pqxx::row row = rows[0];
    const pqxx::result models =
        Exec(tx, ModelQuery("WHERE m.key = $1"), row["model_key"].as<int64_t>());
    if (models.empty()) return Result();
    MGRAL_ASSIGN_OR_RETURN(Model model, ReadModel(models[0]));
    return Result({row["cycle_key"].as<int64_t>(), std::move(model),
                   ReadText(row["selector_sha256"]), ReadText(row["manifest_sha256"]),
                   ReadBytes(row["data"])});
  });
}

absl::StatusOr<std::vector<Batch>> PostgresCycleStore::BatchesSincePublished(int64_t pool_key) {
  return InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) {
    return ReadBatches(tx, Predictions::kWithout,
                       Exec(tx, BatchQuery(kBatchesSincePublished), pool_key));
  });
}

absl::StatusOr<std::vector<Batch>> PostgresCycleStore::RealizedBatches(int64_t pool_key) {
  return InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) {
    return ReadBatches(tx, Predictions::kWithout, Exec(tx, BatchQuery(kRealizedBatches), pool_key));
  });
}

absl::StatusOr<Model> PostgresCycleStore::GetModel(int64_t pool_key, int64_t version) {
  return InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Model> {
    const pqxx::result rows = Exec(tx, ModelQuery(kModelOfVersion), pool_key, version);
    if (rows.empty()) return base::NotFound("model", absl::StrCat("models/", version));
    return ReadModel(rows[0]);
  });
}

absl::StatusOr<Page<Model>> PostgresCycleStore::ListModels(int64_t pool_key,
                                                           const domain::PageRequest& page) {
  const std::string scope = absl::StrCat("models/", pool_key);
  MGRAL_ASSIGN_OR_RETURN(const int64_t before,
                         DecodePageToken(page.token, scope, std::numeric_limits<int64_t>::max()));
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Model>> {
        Page<Model> result;
        for (const pqxx::row& row :
             Exec(tx, ModelQuery(kListModels), pool_key, before, page.size + 1)) {
          MGRAL_ASSIGN_OR_RETURN(Model model, ReadModel(row));
          result.items.push_back(std::move(model));
        }
        CutPage(
            page, scope, [](const Model& model) { return model.version; }, &result);
        return result;
      });
}

}  // namespace mgral::storage
