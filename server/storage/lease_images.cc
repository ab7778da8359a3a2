#include "server/storage/lease_images.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/domain/queue_choice.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::BatchImage;
using domain::BatchStore;

constexpr size_t kCachedTables = 64;

constexpr char kSnapshotToLeaseFrom[] = R"sql(
SELECT
  nextval('batch_key') AS batch_key,
  s.key AS snapshot_key,
  m.version AS model_version,
  t.key AS table_key,
  coalesce(t.version, 0) AS table_version,
  coalesce(s.note, '') AS note,
  coalesce(s.strategies, '{}') AS strategies,
  EXISTS (
    SELECT 1
    FROM batch b
    WHERE b.pool_key = p.key
      AND b.state = {batch.leased}
      AND b.expire_time <= clock_timestamp()
  ) AS has_expired_leases
FROM pool p
LEFT JOIN snapshot s ON s.key = p.snapshot_key
LEFT JOIN model m ON m.key = s.model_key
LEFT JOIN lookup_table t ON t.key = s.table_key
WHERE p.key = $1
)sql";

// Free images in the order of a queue. $2 limit, $3 snapshot, $4 strategy.
constexpr char kPickFromQueue[] = R"sql(
  SELECT q.image_key, q.position AS place, q.uniform
  FROM queue_entry q
  JOIN image i ON i.key = q.image_key
  WHERE q.snapshot_key = $3
    AND q.strategy = $4
    AND NOT q.taken
    AND i.state = {image.unlabeled}
    AND i.use = {use.training}
  ORDER BY q.position
  LIMIT $2
  FOR UPDATE OF i
)sql";

// Free images in random order. $2 limit, $4 pool.
constexpr char kPickAtRandom[] = R"sql(
  SELECT i.key AS image_key, i.shuffle AS place, false AS uniform
  FROM image i
  WHERE i.pool_key = $4
    AND i.state = {image.unlabeled}
    AND i.use = {use.training}
  ORDER BY i.shuffle
  LIMIT $2
  FOR UPDATE OF i
)sql";

// Leases what was picked, with what the snapshot says of it. $1 batch, $3 snapshot.
constexpr char kLeasePicked[] = R"sql(
),
leased AS (
  UPDATE image i
  SET state = {image.leased},
    batch_key = $1
  FROM picked p
  WHERE i.key = p.image_key
  RETURNING i.key, i.image_id, p.place, p.uniform
),
entries AS (
  UPDATE queue_entry q
  SET taken = true
  FROM picked p
  WHERE q.snapshot_key = $3
    AND q.image_key = p.image_key
    AND NOT q.taken
)
SELECT
  l.key,
  l.image_id,
  l.uniform,
  s.cell,
  s.entry,
  s.expected_gain,
  s.predictions,
  s.expected_boxes
FROM leased l
LEFT JOIN snapshot_image s ON s.snapshot_key = $3 AND s.image_key = l.key
ORDER BY l.place
)sql";

constexpr char kInsertBatch[] = R"sql(
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS now
),
stored AS (
  INSERT INTO batch (
    key, pool_key, strategy, strategy_note, model_version, table_version, estimated_gain,
    annotator, estimated_cost, create_time, expire_time
  )
  SELECT
    $1::bigint, $2::bigint, $3, $4, $5::bigint, $6::bigint, $7::double precision[],
    $8, $14::double precision, now, now + $9::bigint * interval '1 microsecond'
  FROM clock
),
images AS (
  INSERT INTO batch_image (batch_key, rank, image_key, cell, expected_gain, predictions, uniform)
  SELECT
    $1::bigint,
    u.place - 1,
    u.key,
    coalesce(s.cell, -1),
    coalesce(s.expected_gain, '{}'),
    coalesce(s.predictions, $12::bytea),
    u.place = ANY($13::bigint[])
  FROM unnest($10::bigint[]) WITH ORDINALITY AS u (key, place)
  LEFT JOIN snapshot_image s ON s.snapshot_key = $11::bigint AND s.image_key = u.key
)
SELECT
  (extract(epoch FROM now) * 1000000)::bigint AS create_time,
  (extract(epoch FROM now + $9::bigint * interval '1 microsecond') * 1000000)::bigint AS expire_time
FROM clock
)sql";

// What a query needs of the pool's published snapshot, and the key of the new batch.
struct PublishedSnapshot {
  int64_t batch_key = 0;
  std::optional<int64_t> snapshot_key, model_version, table_key;
  int64_t table_version = 0;
  domain::PublishedQueues queues;
  bool has_expired_leases = false;
};

struct Leased {
  std::vector<BatchImage> images;
  std::vector<BatchStore::TableImage> known;  // those with a table entry
  std::vector<std::optional<float>> expected_boxes;
};

absl::StatusOr<PublishedSnapshot> ReadSnapshot(pqxx::work& tx, int64_t pool_key) {
  const pqxx::result rows = Exec(tx, kSnapshotToLeaseFrom, pool_key);
  if (rows.empty()) return PoolNotFound();
  const pqxx::row row = rows[0];
  PublishedSnapshot snapshot;
  snapshot.batch_key = row["batch_key"].as<int64_t>();
  snapshot.snapshot_key = ReadOptional<int64_t>(row["snapshot_key"]);
  snapshot.model_version = ReadOptional<int64_t>(row["model_version"]);
  snapshot.table_key = ReadOptional<int64_t>(row["table_key"]);
  snapshot.table_version = row["table_version"].as<int64_t>();
  snapshot.queues.published = snapshot.snapshot_key.has_value();
  snapshot.queues.note = ReadText(row["note"]);
  snapshot.queues.strategies = ReadTextArray(row["strategies"]);
  snapshot.has_expired_leases = row["has_expired_leases"].as<bool>();
  return snapshot;
}

// Leases up to `limit` images that the statement `pick` finds; `source` is its $4.
template <typename Source>
absl::Status LeasePicked(pqxx::work& tx, const PublishedSnapshot& snapshot, const char* pick,
                         const Source& source, int limit, Contention contention, Leased* leased) {
  const std::string statement =
      absl::StrCat("WITH picked AS MATERIALIZED (", pick, LockClause(contention), kLeasePicked);
  for (const pqxx::row& row :
       Exec(tx, statement, snapshot.batch_key, limit, snapshot.snapshot_key, source)) {
    BatchImage image;
    image.image_key = row["key"].as<int64_t>();
    image.image_id = ReadText(row["image_id"]);
    image.rank = static_cast<int>(leased->images.size());
    image.uniform = row["uniform"].as<bool>();
    leased->expected_boxes.push_back(ReadOptional<float>(row["expected_boxes"]));
    if (!row["cell"].is_null()) {  // known to the snapshot
      image.cell = row["cell"].as<int>();
      MGRAL_ASSIGN_OR_RETURN(image.expected_gain, ParseFloatArray(ReadText(row["expected_gain"])));
      MGRAL_ASSIGN_OR_RETURN(image.predictions, DecodeBoxes(ReadBytes(row["predictions"])));
      std::string entry = ReadBytes(row["entry"]);
      if (!entry.empty()) {
        leased->known.push_back({image.image_key, image.image_id, image.cell, std::move(entry)});
      }
    }
    leased->images.push_back(std::move(image));
  }
  return absl::OkStatus();
}

absl::Status Estimate(pqxx::work& tx, TableCache& tables, const PublishedSnapshot& snapshot,
                      const BatchStore::Estimator& estimator, const Leased& leased, Batch* batch) {
  if (!snapshot.table_key || leased.known.empty() || !estimator) return absl::OkStatus();
  MGRAL_ASSIGN_OR_RETURN(const auto table, tables.Get(tx, *snapshot.table_key));
  absl::StatusOr<domain::Gain> gain = estimator(*table, leased.known);
  if (absl::IsFailedPrecondition(gain.status())) return absl::OkStatus();  // of another release
  MGRAL_ASSIGN_OR_RETURN(batch->estimated_gain, std::move(gain));
  return absl::OkStatus();
}

void InsertBatch(pqxx::work& tx, const PublishedSnapshot& snapshot,
                 const BatchStore::LeaseRequest& request, Batch* batch) {
  std::vector<int64_t> keys, uniform;  // the latter are places, from 1
  for (const BatchImage& image : batch->images) {
    keys.push_back(image.image_key);
    if (image.uniform) uniform.push_back(static_cast<int64_t>(keys.size()));
  }
  std::optional<std::string> gain;
  if (batch->estimated_gain) gain = GainArray(*batch->estimated_gain);
  const pqxx::result rows =
      Exec(tx, kInsertBatch, batch->key, request.pool_key, batch->strategy, batch->strategy_note,
           batch->model_version, batch->table_version, gain, request.annotator,
           int64_t{absl::ToInt64Microseconds(request.lease)}, IntArray(keys), snapshot.snapshot_key,
           Bytes{EncodeBoxes({})}, IntArray(uniform), batch->estimated_cost);
  batch->create_time = ReadTime(rows[0]["create_time"]);
  batch->expire_time = ReadTime(rows[0]["expire_time"]);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const std::string>> TableCache::Get(pqxx::work& tx,
                                                                   int64_t table_key) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = tables_.find(table_key);
    if (found != tables_.end()) return found->second;
  }
  const pqxx::result rows = Exec(tx, "SELECT data FROM lookup_table WHERE key = $1", table_key);
  if (rows.empty()) return PoolNotFound();
  auto table = std::make_shared<const std::string>(ReadBytes(rows[0]["data"]));
  absl::MutexLock lock(&mutex_);
  if (tables_.size() >= kCachedTables) tables_.clear();
  tables_[table_key] = table;
  return table;
}

bool FoundTooFew(const absl::Status& status) { return absl::IsOutOfRange(status); }

absl::StatusOr<Batch> LeaseImages(pqxx::work& tx, TableCache& tables,
                                  const BatchStore::LeaseRequest& request,
                                  const BatchStore::Estimator& estimator, Contention contention,
                                  int64_t* expired) {
  if (contention == Contention::kWait) {
    // Before any row is locked, so that two of them cannot wait for each other.
    Exec(tx, "SELECT pg_advisory_xact_lock(hashtextextended('mgral lease', $1))", request.pool_key);
  }
  MGRAL_ASSIGN_OR_RETURN(const PublishedSnapshot snapshot, ReadSnapshot(tx, request.pool_key));
  if (snapshot.has_expired_leases) *expired = ExpireLeases(tx, request.pool_key, contention);
  const std::string queue = domain::ChooseQueue(snapshot.queues, request.strategy);
  Leased leased;
  if (!queue.empty()) {
    MGRAL_RETURN_IF_ERROR(
        LeasePicked(tx, snapshot, kPickFromQueue, queue, request.size, contention, &leased));
  }
  const int from_queue = static_cast<int>(leased.images.size());
  if (from_queue < request.size) {
    MGRAL_RETURN_IF_ERROR(LeasePicked(tx, snapshot, kPickAtRandom, request.pool_key,
                                      request.size - from_queue, contention, &leased));
  }
  const int found = static_cast<int>(leased.images.size());
  if (found < request.size) {
    if (contention == Contention::kSkip) return absl::OutOfRangeError("some may be locked");
    if (found == 0 || !request.allow_fewer) return domain::PoolExhausted(request.size, found);
  }
  Batch batch;
  batch.key = snapshot.batch_key;
  batch.batch_id = absl::StrCat(batch.key);
  batch.images = std::move(leased.images);
  batch.estimated_cost = domain::EstimateCost(request.cost, leased.expected_boxes);
  batch.model_version = snapshot.model_version;
  batch.table_version = snapshot.table_version;
  batch.annotator = request.annotator;
  domain::BatchOrigin origin =
      domain::DescribeOrigin(snapshot.queues, request.strategy, queue, from_queue, found);
  batch.strategy = std::move(origin.strategy);
  batch.strategy_note = std::move(origin.note);
  MGRAL_RETURN_IF_ERROR(Estimate(tx, tables, snapshot, estimator, leased, &batch));
  InsertBatch(tx, snapshot, request, &batch);
  return batch;
}

}  // namespace mgral::storage
