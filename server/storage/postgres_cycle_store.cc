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
#include "server/storage/left_out_images.h"
#include "server/storage/model_rows.h"
#include "server/storage/page_token.h"
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

constexpr char kListCycles[] = R"sql(
WHERE c.pool_key = $1
  AND c.key < $2
ORDER BY c.key DESC
LIMIT $3
)sql";

constexpr char kFindCycle[] = R"sql(
SELECT key, revision
FROM cycle
WHERE pool_key = $1
  AND number = $2
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

absl::Status PostgresCycleStore::LeaveOut(const domain::JobLease& job,
                                          const std::vector<domain::LeftOutImage>& images) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    StoreLeftOut(tx, job.cycle_key, images);
    TouchCycle(tx, job.cycle_key, false);
    return absl::OkStatus();
  });
}

absl::StatusOr<Model> PostgresCycleStore::RecordModel(const domain::JobLease& job,
                                                      const TrainedModel& model) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Model> {
    MGRAL_RETURN_IF_ERROR(LockJob(tx, job));
    MGRAL_RETURN_IF_ERROR(LockPool(tx, job.pool_key));
    const int64_t version = StoreModel(tx, job.pool_key, job.cycle_key, model);
    Exec(tx, kStoreAccuracy, job.cycle_key, model.training_images, model.validation.images,
         model.validation.map50, model.validation.map);
    TouchCycle(tx, job.cycle_key, true);
    return LoadModel(tx, job.pool_key, version);
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

absl::StatusOr<Model> PostgresCycleStore::ImportModel(int64_t pool_key, const ImportedModel& model,
                                                      const domain::RequestKey& request) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Model> {
    MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, pool_key, request));
    if (answer) return LoadModel(tx, pool_key, answer->at(0));
    MGRAL_RETURN_IF_ERROR(LockPool(tx, pool_key));
    const int64_t version = StoreImportedModel(tx, pool_key, model);
    if (model.publish) PublishImported(tx, pool_key, version);
    StoreAnswer(tx, pool_key, request, {version});
    return LoadModel(tx, pool_key, version);
  });
}

absl::StatusOr<Model> PostgresCycleStore::Rollback(int64_t pool_key, int64_t version,
                                                   const domain::RequestKey& request) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Model> {
    MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, pool_key, request));
    if (!answer) {
      MGRAL_RETURN_IF_ERROR(PublishAgain(tx, pool_key, version));
      StoreAnswer(tx, pool_key, request, {version});
    }
    return LoadModel(tx, pool_key, version);
  });
}

absl::StatusOr<std::optional<domain::CycleStore::Published>> PostgresCycleStore::PublishedSnapshot(
    int64_t pool_key) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadPublishedSnapshot(tx, pool_key); });
}

absl::StatusOr<std::vector<Batch>> PostgresCycleStore::BatchesSincePublished(int64_t pool_key) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadBatchesSincePublished(tx, pool_key); });
}

absl::StatusOr<Model> PostgresCycleStore::GetModel(int64_t pool_key, int64_t version) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadModel(tx, pool_key, version); });
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
