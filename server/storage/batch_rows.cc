#include "server/storage/batch_rows.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::BatchImage;

constexpr char kBatchColumns[] = R"sql(
  b.key,
  b.strategy,
  b.strategy_note,
  b.model_version,
  b.table_version,
  b.estimated_gain,
  b.estimated_cost,
  b.realised_gain,
  b.annotator,
  (extract(epoch FROM b.create_time) * 1000000)::bigint AS create_time,
  (extract(epoch FROM b.expire_time) * 1000000)::bigint AS expire_time
)sql";

// An image that another batch holds, or nobody any more, is nothing this batch still waits for.
constexpr char kBatchImageColumns[] = R"sql(
  bi.batch_key,
  bi.image_key,
  i.image_id,
  bi.rank,
  bi.cell,
  bi.expected_gain,
  bi.uniform,
  CASE
    WHEN i.state = {image.leased}
      AND i.batch_key = bi.batch_key
      AND (b.state <> {batch.leased} OR b.expire_time <= clock_timestamp())
    THEN {image.unlabeled}
    ELSE i.state
  END AS state
)sql";

constexpr char kFromBatchImages[] = R"sql(
FROM batch_image bi
JOIN batch b ON b.key = bi.batch_key
JOIN image i ON i.key = bi.image_key
WHERE bi.batch_key = ANY($1::bigint[])
ORDER BY bi.batch_key, bi.rank
)sql";

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

constexpr char kReturnImages[] = R"sql(
WITH held AS (
  SELECT key, pool_key
  FROM image
  WHERE batch_key = ANY($1::bigint[])
    AND state = {image.leased}
  ORDER BY key
  FOR UPDATE
),
entries AS (
  UPDATE queue_entry q
  SET taken = false
  FROM held h
  JOIN pool p ON p.key = h.pool_key
  WHERE q.snapshot_key = ANY(ARRAY[p.snapshot_key, p.previous_snapshot_key])
    AND q.image_key = h.key
    AND q.taken
)
UPDATE image i
SET state = {image.unlabeled},
  batch_key = NULL
FROM held h
WHERE i.key = h.key
)sql";

constexpr char kCompleteBatches[] = R"sql(
UPDATE batch b
SET state = {batch.completed}
WHERE b.key = ANY($1::bigint[])
  AND b.state = {batch.leased}
  AND NOT EXISTS (
    SELECT 1
    FROM image i
    WHERE i.batch_key = b.key
      AND i.state = {image.leased}
  )
)sql";

constexpr char kExpireLeases[] = R"sql(
UPDATE batch b
SET state = {batch.expired}
FROM (
  SELECT key
  FROM batch
  WHERE state = {batch.leased}
    AND expire_time <= clock_timestamp()
    AND ($1::bigint IS NULL OR pool_key = $1::bigint)
  ORDER BY key
  FOR UPDATE
)sql";
constexpr char kReturnExpired[] = R"sql(
) AS over
WHERE b.key = over.key
RETURNING b.key
)sql";

absl::StatusOr<std::optional<domain::Gain>> ReadGain(const pqxx::field& field) {
  if (field.is_null()) return std::optional<domain::Gain>();
  MGRAL_ASSIGN_OR_RETURN(domain::Gain gain, ParseGainArray(ReadText(field)));
  return std::optional<domain::Gain>(std::move(gain));
}

absl::StatusOr<Batch> ReadBatch(const pqxx::row& row) {
  Batch batch;
  batch.key = row["key"].as<int64_t>();
  batch.batch_id = ReadText(row["key"]);
  batch.state = static_cast<domain::BatchState>(row["state"].as<int>());
  batch.strategy = ReadText(row["strategy"]);
  batch.strategy_note = ReadText(row["strategy_note"]);
  batch.model_version = ReadOptional<int64_t>(row["model_version"]);
  batch.table_version = row["table_version"].as<int64_t>();
  MGRAL_ASSIGN_OR_RETURN(batch.estimated_gain, ReadGain(row["estimated_gain"]));
  if (!row["estimated_cost"].is_null()) batch.estimated_cost = ReadDouble(row["estimated_cost"]);
  MGRAL_ASSIGN_OR_RETURN(batch.realized_gain, ReadGain(row["realised_gain"]));
  batch.annotator = ReadText(row["annotator"]);
  batch.create_time = ReadTime(row["create_time"]);
  batch.expire_time = ReadTime(row["expire_time"]);
  return batch;
}

absl::StatusOr<BatchImage> ReadBatchImage(const pqxx::row& row, Predictions predictions) {
  BatchImage image;
  image.image_key = row["image_key"].as<int64_t>();
  image.image_id = ReadText(row["image_id"]);
  image.rank = row["rank"].as<int>();
  image.cell = row["cell"].as<int>();
  image.uniform = row["uniform"].as<bool>();
  MGRAL_ASSIGN_OR_RETURN(image.expected_gain, ParseFloatArray(ReadText(row["expected_gain"])));
  image.state = static_cast<domain::ImageState>(row["state"].as<int>());
  if (predictions == Predictions::kWith) {
    MGRAL_ASSIGN_OR_RETURN(image.predictions, DecodeBoxes(ReadBytes(row["predictions"])));
  }
  return image;
}

}  // namespace

const char kBatchState[] = R"sql(
(
  CASE
    WHEN b.state = {batch.leased} AND b.expire_time <= clock_timestamp()
    THEN {batch.expired}
    ELSE b.state
  END
)
)sql";

std::string BatchQuery(absl::string_view rest) {
  return absl::StrCat("SELECT", kBatchColumns, ",", kBatchState, "AS state\nFROM batch b\n", rest);
}

absl::StatusOr<std::vector<Batch>> ReadBatches(pqxx::work& tx, Predictions predictions,
                                               const pqxx::result& rows) {
  std::vector<Batch> batches;
  std::vector<int64_t> keys;
  absl::flat_hash_map<int64_t, size_t> index;
  for (const pqxx::row& row : rows) {
    MGRAL_ASSIGN_OR_RETURN(Batch batch, ReadBatch(row));
    index[batch.key] = batches.size();
    keys.push_back(batch.key);
    batches.push_back(std::move(batch));
  }
  if (batches.empty()) return batches;
  const std::string query =
      absl::StrCat("SELECT", kBatchImageColumns,
                   predictions == Predictions::kWith ? ", bi.predictions" : "", kFromBatchImages);
  for (const pqxx::row& row : Exec(tx, query, IntArray(keys))) {
    MGRAL_ASSIGN_OR_RETURN(BatchImage image, ReadBatchImage(row, predictions));
    batches[index.at(row["batch_key"].as<int64_t>())].images.push_back(std::move(image));
  }
  return batches;
}

absl::StatusOr<std::vector<Batch>> LoadBatchesSincePublished(pqxx::work& tx, int64_t pool_key) {
  return ReadBatches(tx, Predictions::kWithout,
                     Exec(tx, BatchQuery(kBatchesSincePublished), pool_key));
}

void ReturnImages(pqxx::work& tx, const std::vector<int64_t>& batch_keys) {
  Exec(tx, kReturnImages, IntArray(batch_keys));
}

void CompleteBatches(pqxx::work& tx, const std::vector<int64_t>& batch_keys) {
  if (!batch_keys.empty()) Exec(tx, kCompleteBatches, IntArray(batch_keys));
}

const char* LockClause(Contention contention) {
  return contention == Contention::kSkip ? " SKIP LOCKED" : "";
}

int64_t ExpireLeases(pqxx::work& tx, std::optional<int64_t> pool_key, Contention contention) {
  std::vector<int64_t> keys;
  for (const pqxx::row& row :
       Exec(tx, absl::StrCat(kExpireLeases, LockClause(contention), kReturnExpired), pool_key)) {
    keys.push_back(row["key"].as<int64_t>());
  }
  if (!keys.empty()) ReturnImages(tx, keys);
  return static_cast<int64_t>(keys.size());
}

}  // namespace mgral::storage
