#include "server/storage/ingest_labels.h"

#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/page_token.h"

namespace mgral::storage {
namespace {

using domain::ImageState;
using domain::NewLabels;
using Ingested = domain::LabelStore::Ingested;

constexpr size_t kMaxReportedLabels = 10;

// Whether a batch's lease is over, of those that the labels name and those that hold their images.
constexpr char kLockBatches[] = R"sql(
SELECT
  b.key,
  b.state IN ({batch.released}, {batch.expired}) OR b.expire_time <= clock_timestamp() AS over
FROM batch b
WHERE b.pool_key = $1
  AND b.key IN (
    SELECT unnest($2::bigint[])
    UNION
    SELECT i.batch_key
    FROM image i
    WHERE i.pool_key = $1
      AND i.image_id = ANY($3::text[])
  )
ORDER BY b.key
FOR UPDATE
)sql";

constexpr char kLockImages[] = R"sql(
SELECT i.key, i.image_id
FROM image i
WHERE i.pool_key = $1
  AND i.image_id = ANY($2::text[])
ORDER BY i.key
FOR UPDATE
)sql";

// The first label that names a batch which does not hold its image.
constexpr char kFindStranger[] = R"sql(
SELECT u.place - 1 AS index
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS u (batch, image, place)
WHERE u.batch >= 0
  AND NOT EXISTS (
    SELECT 1
    FROM batch_image bi
    WHERE bi.batch_key = u.batch
      AND bi.image_key = u.image
  )
ORDER BY u.place
LIMIT 1
)sql";

// A rejection is no revision. use 0: as it was; batch -1: none.
constexpr char kStoreLabels[] = R"sql(
WITH given AS MATERIALIZED (
  SELECT *
  FROM unnest(
    $1::bigint[], $2::smallint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bytea[],
    $7::text[], $8::integer[], $9::integer[]
  ) AS u (image, state, use, late, batch, boxes, reason, width, height)
),
stored AS (
  INSERT INTO label_revision (image_key, revision, boxes, late, batch_key)
  SELECT g.image, i.label_revision + 1, g.boxes, g.late = 1, nullif(g.batch, -1)
  FROM given g
  JOIN image i ON i.key = g.image
  WHERE g.state = {image.labeled}
)
UPDATE image i
SET state = g.state,
  batch_key = NULL,
  reject_reason = g.reason,
  use = CASE WHEN g.use = 0 THEN i.use ELSE g.use END,
  width = CASE WHEN g.width = 0 THEN i.width ELSE g.width END,
  height = CASE WHEN g.height = 0 THEN i.height ELSE g.height END,
  label_revision = i.label_revision + CASE WHEN g.state = {image.labeled} THEN 1 ELSE 0 END
FROM given g
WHERE i.key = g.image
)sql";

std::string Field(size_t i, const char* name) { return absl::StrCat("labels[", i, "].", name); }

// Arrays for one statement, in the order of the labels.
struct LabelArrays {
  std::vector<int64_t> images, states, uses, late, batches, widths, heights;
  std::vector<std::string> boxes, reasons;
};

// The keys of batches, and whether their lease is over.
using BatchesOver = absl::flat_hash_map<int64_t, bool>;

// Locks the batches that the labels name or that hold their images: before the images, as everyone
// does. `image_ids` is an array.
absl::StatusOr<BatchesOver> LockBatches(pqxx::work& tx, int64_t pool_key,
                                        absl::Span<const NewLabels> labels,
                                        const std::string& image_ids) {
  std::set<int64_t> named;
  for (const NewLabels& label : labels) {
    const int64_t key = ParseNumericId(label.batch_id);
    if (key >= 0) named.insert(key);
  }
  BatchesOver over;
  for (const pqxx::row& row :
       Exec(tx, kLockBatches, pool_key, IntArray({named.begin(), named.end()}), image_ids)) {
    over[row["key"].as<int64_t>()] = row["over"].as<bool>();
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i].batch_id.empty() && over.count(ParseNumericId(labels[i].batch_id)) == 0) {
      return base::InvalidField(Field(i, "batch"), "no such batch in the pool");
    }
  }
  return over;
}

// Locks the images; their keys in the order of the labels.
absl::StatusOr<std::vector<int64_t>> LockImages(pqxx::work& tx, int64_t pool_key,
                                                absl::Span<const NewLabels> labels,
                                                const std::string& image_ids) {
  absl::flat_hash_map<std::string, int64_t> found;
  for (const pqxx::row& row : Exec(tx, kLockImages, pool_key, image_ids)) {
    found[ReadText(row["image_id"])] = row["key"].as<int64_t>();
  }
  std::vector<int64_t> keys;
  std::vector<base::FieldViolation> violations;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto image = found.find(labels[i].image_id);
    if (image != found.end()) {
      keys.push_back(image->second);
    } else if (violations.size() < kMaxReportedLabels) {
      violations.push_back({Field(i, "image_id"), "is not registered in the pool"});
    }
  }
  if (!violations.empty()) return base::InvalidFields(violations);
  return keys;
}

absl::Status CheckMembership(pqxx::work& tx, absl::Span<const NewLabels> labels,
                             const LabelArrays& arrays) {
  const pqxx::result rows =
      Exec(tx, kFindStranger, IntArray(arrays.batches), IntArray(arrays.images));
  if (rows.empty()) return absl::OkStatus();
  const size_t i = rows[0]["index"].as<size_t>();
  return base::InvalidField(
      Field(i, "batch"), absl::StrCat("batch ", labels[i].batch_id, " does not hold this image"));
}

LabelArrays ToArrays(absl::Span<const NewLabels> labels, std::vector<int64_t> image_keys,
                     const BatchesOver& batches) {
  LabelArrays arrays;
  arrays.images = std::move(image_keys);
  for (const NewLabels& label : labels) {
    const bool rejected = !label.reject_reason.empty();
    const int64_t batch = label.batch_id.empty() ? -1 : ParseNumericId(label.batch_id);
    arrays.batches.push_back(batch);
    arrays.late.push_back(batch >= 0 && batches.at(batch));
    arrays.states.push_back(
        static_cast<int>(rejected ? ImageState::kRejected : ImageState::kLabeled));
    arrays.uses.push_back(label.use ? static_cast<int>(*label.use) : 0);
    arrays.boxes.push_back(EncodeBoxes(label.boxes));
    arrays.reasons.push_back(label.reject_reason);
    arrays.widths.push_back(label.width);
    arrays.heights.push_back(label.height);
  }
  return arrays;
}

void Store(pqxx::work& tx, const LabelArrays& arrays, const BatchesOver& batches) {
  Exec(tx, kStoreLabels, IntArray(arrays.images), IntArray(arrays.states), IntArray(arrays.uses),
       IntArray(arrays.late), IntArray(arrays.batches), BytesArray(arrays.boxes),
       TextArray(arrays.reasons), IntArray(arrays.widths), IntArray(arrays.heights));
  std::vector<int64_t> live;
  for (const auto& [key, over] : batches) {
    if (!over) live.push_back(key);
  }
  CompleteBatches(tx, live);
}

}  // namespace

absl::Status CheckLabels(absl::Span<const NewLabels> labels) {
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!IsStorableText(labels[i].image_id)) {
      return base::InvalidField(Field(i, "image_id"), "is not registered in the pool");
    }
    if (!IsStorableText(labels[i].reject_reason)) {
      return base::InvalidField(Field(i, "reject_reason"), "is not valid UTF-8");
    }
    if (!seen.insert(labels[i].image_id).second) {
      return base::InvalidField(Field(i, "image_id"), "is repeated in this request");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Ingested> InsertLabels(pqxx::work& tx, int64_t pool_key,
                                      absl::Span<const NewLabels> labels) {
  std::vector<std::string> ids;
  for (const NewLabels& label : labels) ids.push_back(label.image_id);
  const std::string image_ids = TextArray(ids);
  MGRAL_ASSIGN_OR_RETURN(const BatchesOver batches, LockBatches(tx, pool_key, labels, image_ids));
  MGRAL_ASSIGN_OR_RETURN(std::vector<int64_t> keys, LockImages(tx, pool_key, labels, image_ids));
  const LabelArrays arrays = ToArrays(labels, std::move(keys), batches);
  MGRAL_RETURN_IF_ERROR(CheckMembership(tx, labels, arrays));
  Store(tx, arrays, batches);
  return Ingested{static_cast<int64_t>(labels.size()),
                  std::accumulate(arrays.late.begin(), arrays.late.end(), int64_t{0})};
}

}  // namespace mgral::storage
