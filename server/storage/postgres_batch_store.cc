#include "server/storage/postgres_batch_store.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/domain/queue_choice.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/lease_images.h"
#include "server/storage/page_token.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::BatchState;
using domain::Page;

constexpr char kRenewBatch[] = R"sql(
UPDATE batch
SET expire_time = clock_timestamp() + $2::bigint * interval '1 microsecond'
WHERE key = $1
  AND expire_time > clock_timestamp()
)sql";

constexpr char kReleaseBatch[] = R"sql(
UPDATE batch
SET state = {batch.released}
WHERE key = $1
)sql";

// Adds up the counts of pools that have many rows of them. Two at once do no harm: the second finds
// the rows gone.
constexpr char kAddUpCounts[] = R"sql(
WITH gone AS (
  DELETE FROM image_count
  WHERE pool_key IN (
    SELECT pool_key
    FROM image_count
    GROUP BY pool_key
    HAVING count(*) > 32
  )
  RETURNING pool_key, state, use, images
)
INSERT INTO image_count (pool_key, state, use, images)
SELECT pool_key, state, use, sum(images)
FROM gone
GROUP BY pool_key, state, use
)sql";

constexpr char kForgetOldRequests[] = R"sql(
DELETE FROM request
WHERE ctid = ANY(ARRAY(
  SELECT ctid
  FROM request
  WHERE create_time < now() - interval '7 days'
  LIMIT 10000
))
)sql";

constexpr char kPublishedTable[] = R"sql(
SELECT
  s.key AS snapshot_key,
  t.key AS table_key,
  t.version AS table_version,
  m.version AS model_version
FROM pool p
JOIN snapshot s ON s.key = p.snapshot_key
JOIN model m ON m.key = s.model_key
JOIN lookup_table t ON t.key = s.table_key
WHERE p.key = $1
)sql";

constexpr char kLookUpImages[] = R"sql(
SELECT u.id AS image_id, i.key AS image_key, s.cell, s.entry
FROM unnest($3::text[]) WITH ORDINALITY AS u (id, place)
LEFT JOIN image i ON i.pool_key = $1 AND i.image_id = u.id
LEFT JOIN snapshot_image s ON s.snapshot_key = $2 AND s.image_key = i.key
ORDER BY u.place
)sql";

absl::StatusOr<Batch> LoadBatch(pqxx::work& tx, int64_t pool_key, const std::string& batch_id) {
  const int64_t key = ParseNumericId(batch_id);
  if (key >= 0) {
    MGRAL_ASSIGN_OR_RETURN(
        std::vector<Batch> batches,
        ReadBatches(tx, Predictions::kWith,
                    Exec(tx, BatchQuery("WHERE b.key = $1 AND b.pool_key = $2"), key, pool_key)));
    if (!batches.empty()) return std::move(batches.front());
  }
  return base::NotFound("batch", absl::StrCat("batches/", batch_id));
}

// The state of a batch whose row stays locked until the transaction ends. Errors: NOT_FOUND.
absl::StatusOr<BatchState> LockBatch(pqxx::work& tx, int64_t pool_key,
                                     const std::string& batch_id) {
  const int64_t key = ParseNumericId(batch_id);
  if (key >= 0) {
    const pqxx::result rows =
        Exec(tx, BatchQuery("WHERE b.key = $1 AND b.pool_key = $2 FOR UPDATE"), key, pool_key);
    if (!rows.empty()) return static_cast<BatchState>(rows[0]["state"].as<int>());
  }
  return base::NotFound("batch", absl::StrCat("batches/", batch_id));
}

absl::StatusOr<std::vector<domain::BatchStore::TableImage>> ReadTableImages(
    const pqxx::result& rows) {
  std::vector<domain::BatchStore::TableImage> images;
  for (const pqxx::row& row : rows) {
    const bool registered = !row["image_key"].is_null();
    if (!registered || row["entry"].is_null()) {
      return base::InvalidField(
          absl::StrCat("image_ids[", images.size(), "]"),
          registered ? "is not known to the published snapshot: it was labeled or registered "
                       "after its cycle began"
                     : "is not an image of the pool");
    }
    images.push_back({row["image_key"].as<int64_t>(), ReadText(row["image_id"]),
                      row["cell"].as<int>(), ReadBytes(row["entry"])});
  }
  return images;
}

}  // namespace

PostgresBatchStore::PostgresBatchStore(ConnectionPool& connections, Observer observer)
    : connections_(connections),
      observer_(std::move(observer)),
      tables_(std::make_unique<TableCache>()) {}
PostgresBatchStore::~PostgresBatchStore() = default;

void PostgresBatchStore::Notify(const Events& events) const {
  if (observer_ && (events.granted > 0 || events.expired > 0)) observer_(events);
}

absl::StatusOr<Batch> PostgresBatchStore::LeaseBatch(const LeaseRequest& request,
                                                     const Estimator& estimator) {
  Events events;
  const auto lease = [&](Contention contention) {
    return InTransaction(
        connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
          events = {};
          MGRAL_ASSIGN_OR_RETURN(const auto answer,
                                 BeginRequest(tx, request.pool_key, request.request));
          if (answer) return LoadBatch(tx, request.pool_key, absl::StrCat(answer->at(0)));
          events.granted = 1;
          MGRAL_ASSIGN_OR_RETURN(Batch batch, LeaseImages(tx, *tables_, request, estimator,
                                                          contention, &events.expired));
          StoreAnswer(tx, request.pool_key, request.request, {batch.key});
          return batch;
        });
  };
  absl::StatusOr<Batch> batch = lease(Contention::kSkip);
  if (FoundTooFew(batch.status())) batch = lease(Contention::kWait);
  if (batch.ok()) Notify(events);
  return batch;
}

absl::StatusOr<Batch> PostgresBatchStore::GetBatch(int64_t pool_key, const std::string& batch_id) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadBatch(tx, pool_key, batch_id); });
}

absl::StatusOr<Page<Batch>> PostgresBatchStore::ListBatches(int64_t pool_key,
                                                            const domain::PageRequest& page,
                                                            std::optional<BatchState> state) {
  const int wanted = state ? static_cast<int>(*state) : 0;
  const std::string scope = absl::StrCat("batches/", pool_key, "/", wanted);
  MGRAL_ASSIGN_OR_RETURN(const int64_t before,
                         DecodePageToken(page.token, scope, std::numeric_limits<int64_t>::max()));
  const std::string query =
      BatchQuery(absl::StrCat("WHERE b.pool_key = $1 AND b.key < $2 AND ($3 = 0 OR ", kBatchState,
                              " = $3) ORDER BY b.key DESC LIMIT $4"));
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<Page<Batch>> {
                         MGRAL_ASSIGN_OR_RETURN(
                             std::vector<Batch> batches,
                             ReadBatches(tx, Predictions::kWithout,
                                         Exec(tx, query, pool_key, before, wanted, page.size + 1)));
                         Page<Batch> result{std::move(batches), ""};
                         CutPage(
                             page, scope, [](const Batch& batch) { return batch.key; }, &result);
                         return result;
                       });
}

absl::StatusOr<Batch> PostgresBatchStore::RenewBatch(int64_t pool_key, const std::string& batch_id,
                                                     absl::Duration lease) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
    MGRAL_ASSIGN_OR_RETURN(const BatchState state, LockBatch(tx, pool_key, batch_id));
    if (state != BatchState::kLeased) return domain::LeaseOver(state);
    // The clock may have passed the expiry while the lock was waited for.
    const bool renewed =
        Exec(tx, kRenewBatch, ParseNumericId(batch_id), int64_t{absl::ToInt64Microseconds(lease)})
            .affected_rows() == 1;
    if (!renewed) return domain::LeaseOver(BatchState::kExpired);
    return LoadBatch(tx, pool_key, batch_id);
  });
}

absl::StatusOr<Batch> PostgresBatchStore::ReleaseBatch(int64_t pool_key,
                                                       const std::string& batch_id) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
    MGRAL_ASSIGN_OR_RETURN(const BatchState state, LockBatch(tx, pool_key, batch_id));
    if (state == BatchState::kLeased) {
      const int64_t key = ParseNumericId(batch_id);
      Exec(tx, kReleaseBatch, key);
      ReturnImages(tx, {key});
    }
    return LoadBatch(tx, pool_key, batch_id);
  });
}

absl::StatusOr<int64_t> PostgresBatchStore::RunMaintenance() {
  const auto expired =
      InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<int64_t> {
        Exec(tx, kAddUpCounts);
        Exec(tx, kForgetOldRequests);
        return ExpireLeases(tx, std::nullopt, Contention::kSkip);
      });
  if (expired.ok()) Notify({0, *expired});
  return expired;
}

absl::StatusOr<domain::BatchStore::TableLookup> PostgresBatchStore::LookUp(
    int64_t pool_key, const std::vector<std::string>& image_ids) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<TableLookup> {
        const pqxx::result rows = Exec(tx, kPublishedTable, pool_key);
        if (rows.empty()) {
          return base::FailedPrecondition(
              "NO_TABLE", "the pool has no look-up table yet: run a cycle with a table first");
        }
        const pqxx::row row = rows[0];
        MGRAL_ASSIGN_OR_RETURN(const auto table, tables_->Get(tx, row["table_key"].as<int64_t>()));
        TableLookup result;
        result.table = *table;
        result.table_version = row["table_version"].as<int64_t>();
        result.model_version = row["model_version"].as<int64_t>();
        MGRAL_ASSIGN_OR_RETURN(
            result.images,
            ReadTableImages(Exec(tx, kLookUpImages, pool_key, row["snapshot_key"].as<int64_t>(),
                                 TextArray(image_ids))));
        return result;
      });
}

}  // namespace mgral::storage
