#include "server/storage/postgres_batch_store.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/lease_images.h"
#include "server/storage/page_token.h"
#include "server/storage/pool_rows.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::BatchState;
using domain::Page;

absl::StatusOr<Batch> LoadBatch(pqxx::work& tx, int64_t pool_key, const std::string& batch_id) {
  const int64_t key = ParseNumericId(batch_id);
  if (key >= 0) {
    absl::StatusOr<std::vector<Batch>> batches =
        LoadBatches(tx, Predictions::kWith, "WHERE b.key = $1 AND b.pool_key = $2", key, pool_key);
    if (!batches.ok()) return batches.status();
    if (!batches->empty()) return std::move(batches->front());
  }
  return base::NotFound("batch", absl::StrCat("batches/", batch_id));
}

// The state of a batch whose row stays locked until the transaction ends. Errors: NOT_FOUND.
absl::StatusOr<BatchState> LockBatch(pqxx::work& tx, int64_t pool_key,
                                     const std::string& batch_id) {
  const int64_t key = ParseNumericId(batch_id);
  if (key >= 0) {
    const pqxx::result rows = Exec(tx,
                                   absl::StrCat("SELECT ", MGRAL_BATCH_STATE,
                                                " FROM batch b WHERE b.key = $1 AND "
                                                "b.pool_key = $2 FOR UPDATE"),
                                   key, pool_key);
    if (!rows.empty()) return static_cast<BatchState>(rows[0][0].as<int>());
  }
  return base::NotFound("batch", absl::StrCat("batches/", batch_id));
}

std::string StateWord(BatchState state) {
  switch (state) {
    case BatchState::kLeased:
      return "alive";
    case BatchState::kCompleted:
      return "over: every image has labels";
    case BatchState::kReleased:
      return "over: the batch was released";
    case BatchState::kExpired:
      return "over: it has expired; labels for it are still accepted";
  }
  return "";
}

// Adds up the counts of pools whose rows have become many. Two at once do no harm: the second finds
// the rows gone.
void AddUpCounts(pqxx::work& tx) {
  tx.exec(
      "WITH gone AS (DELETE FROM image_count WHERE pool_key IN (SELECT pool_key FROM image_count "
      "GROUP BY pool_key HAVING count(*) > 32) RETURNING pool_key, state, use, images) "
      "INSERT INTO image_count (pool_key, state, use, images) SELECT pool_key, state, use, "
      "sum(images) FROM gone GROUP BY 1, 2, 3");
}

}  // namespace

PostgresBatchStore::PostgresBatchStore(ConnectionPool& connections, Observer observer)
    : connections_(connections),
      observer_(std::move(observer)),
      tables_(std::make_unique<TableCache>()) {}
PostgresBatchStore::~PostgresBatchStore() = default;

void PostgresBatchStore::Tell(const Events& events) const {
  if (observer_ && (events.granted > 0 || events.expired > 0)) observer_(events);
}

absl::StatusOr<Batch> PostgresBatchStore::LeaseBatch(const LeaseRequest& request,
                                                     const Estimator& estimator) {
  Events events;
  const auto lease = [&](Contention contention) {
    return InTransaction(
        connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
          events = {};
          const auto answer = FindAnswer(tx, request.pool_key, request.request);
          if (!answer.ok()) return answer.status();
          if (*answer) return LoadBatch(tx, request.pool_key, absl::StrCat((*answer)->at(0)));
          events.granted = 1;
          absl::StatusOr<Batch> batch =
              LeaseImages(tx, *tables_, request, estimator, contention, &events.expired);
          if (batch.ok()) StoreAnswer(tx, request.pool_key, request.request, {batch->key});
          return batch;
        });
  };
  absl::StatusOr<Batch> batch = lease(Contention::kSkip);
  if (FoundTooFew(batch.status())) batch = lease(Contention::kWait);
  if (batch.ok()) Tell(events);
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
  const absl::StatusOr<int64_t> before =
      DecodePageToken(page.token, scope, std::numeric_limits<int64_t>::max());
  if (!before.ok()) return before.status();
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Batch>> {
        absl::StatusOr<std::vector<Batch>> batches =
            LoadBatches(tx, Predictions::kWithout,
                        absl::StrCat("WHERE b.pool_key = $1 AND b.key < $2 AND ($3 = 0 OR ",
                                     MGRAL_BATCH_STATE, " = $3) ORDER BY b.key DESC LIMIT $4"),
                        pool_key, *before, wanted, page.size + 1);
        if (!batches.ok()) return batches.status();
        Page<Batch> result{*std::move(batches), ""};
        if (static_cast<int>(result.items.size()) > page.size) {
          result.items.resize(page.size);
          result.next_page_token = EncodePageToken(scope, result.items.back().key);
        }
        return result;
      });
}

absl::StatusOr<Batch> PostgresBatchStore::RenewBatch(int64_t pool_key, const std::string& batch_id,
                                                     absl::Duration lease) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
    const absl::StatusOr<BatchState> state = LockBatch(tx, pool_key, batch_id);
    if (!state.ok()) return state.status();
    // The clock may have passed the expiry while the lock was waited for.
    const bool renewed = *state == BatchState::kLeased &&
                         Exec(tx,
                              "UPDATE batch SET expire_time = clock_timestamp() + " MGRAL_INTERVAL(
                                  "$2") " WHERE key = $1 AND expire_time > clock_timestamp()",
                              ParseNumericId(batch_id), int64_t{absl::ToInt64Microseconds(lease)})
                                 .affected_rows() == 1;
    if (!renewed) {
      const BatchState why = *state == BatchState::kLeased ? BatchState::kExpired : *state;
      return base::FailedPrecondition("LEASE_OVER", absl::StrCat("the lease is ", StateWord(why)),
                                      "name");
    }
    return LoadBatch(tx, pool_key, batch_id);
  });
}

absl::StatusOr<Batch> PostgresBatchStore::ReleaseBatch(int64_t pool_key,
                                                       const std::string& batch_id) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Batch> {
    const absl::StatusOr<BatchState> state = LockBatch(tx, pool_key, batch_id);
    if (!state.ok()) return state.status();
    if (*state == BatchState::kLeased) {
      const int64_t key = ParseNumericId(batch_id);
      Exec(tx, "UPDATE batch SET state = 3 WHERE key = $1", key);
      ReturnImages(tx, {key});
    }
    return LoadBatch(tx, pool_key, batch_id);
  });
}

absl::StatusOr<int64_t> PostgresBatchStore::ExpireLeases() {
  const auto expired =
      InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<int64_t> {
        AddUpCounts(tx);
        tx.exec(
            "DELETE FROM request WHERE ctid = ANY(ARRAY(SELECT ctid FROM request "
            "WHERE create_time < now() - interval '7 days' LIMIT 10000))");
        return storage::ExpireLeases(tx, std::nullopt, Contention::kSkip);
      });
  if (expired.ok()) Tell({0, *expired});
  return expired;
}

absl::StatusOr<domain::BatchStore::TableLookup> PostgresBatchStore::LookUp(
    int64_t pool_key, const std::vector<std::string>& image_ids) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<TableLookup> {
        const pqxx::result rows =
            Exec(tx,
                 "SELECT s.key, t.key, t.version, m.version FROM pool p JOIN snapshot s ON s.key = "
                 "p.snapshot_key JOIN model m ON m.key = s.model_key JOIN lookup_table t ON t.key "
                 "= s.table_key WHERE p.key = $1",
                 pool_key);
        if (rows.empty()) {
          return base::FailedPrecondition(
              "NO_TABLE", "the pool has no look-up table yet: run a cycle with a table first");
        }
        TableLookup result;
        const auto table = tables_->Get(tx, rows[0][1].as<int64_t>());
        if (!table.ok()) return table.status();
        result.table = **table;
        result.table_version = rows[0][2].as<int64_t>();
        result.model_version = rows[0][3].as<int64_t>();
        const pqxx::result entries =
            Exec(tx,
                 "SELECT u.id, i.key, s.cell, s.entry FROM unnest($3::text[]) WITH ORDINALITY AS "
                 "u (id, place) LEFT JOIN image i ON i.pool_key = $1 AND i.image_id = u.id LEFT "
                 "JOIN snapshot_image s ON s.snapshot_key = $2 AND s.image_key = i.key ORDER BY "
                 "u.place",
                 pool_key, rows[0][0].as<int64_t>(), TextArray(image_ids));
        for (size_t i = 0; i < entries.size(); ++i) {
          const pqxx::row row = entries[i];
          if (row[1].is_null() || row[3].is_null()) {
            return base::InvalidField(
                absl::StrCat("image_ids[", i, "]"),
                row[1].is_null() ? "is not an image of the pool"
                                 : "is not known to the published snapshot: it was labelled or "
                                   "registered after its cycle began");
          }
          result.images.push_back(
              {row[1].as<int64_t>(), ReadText(row[0]), row[2].as<int>(), ReadBytes(row[3])});
        }
        return result;
      });
}

}  // namespace mgral::storage
