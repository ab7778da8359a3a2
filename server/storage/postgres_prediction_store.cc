#include "server/storage/postgres_prediction_store.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::PredictionSet;

// Two streams that begin come one after the other; so do a stream and the deletion of the pool.
constexpr char kLockPoolOfSet[] = R"sql(
SELECT key
FROM pool
WHERE key = $1
FOR NO KEY UPDATE
)sql";

constexpr char kFindSet[] = R"sql(
SELECT key, model, embedding_size, images, boxes
FROM prediction_set
WHERE pool_key = $1
)sql";

constexpr char kBeginSet[] = R"sql(
INSERT INTO prediction_set (pool_key, model, embedding_size)
VALUES ($1, $2, $3)
RETURNING key, model, embedding_size, images, boxes
)sql";

constexpr char kCountReplaced[] = R"sql(
SELECT count(*) AS images, coalesce(sum(box_count), 0)::bigint AS boxes
FROM prediction
WHERE set_key = $1
  AND image_key = ANY($2::bigint[])
)sql";

constexpr char kStorePredictions[] = R"sql(
INSERT INTO prediction (set_key, image_key, box_count, boxes, signals)
SELECT $1::bigint, u.*
FROM unnest($2::bigint[], $3::integer[], $4::bytea[], $5::bytea[]) AS u
ON CONFLICT (set_key, image_key) DO UPDATE
SET box_count = excluded.box_count,
  boxes = excluded.boxes,
  signals = excluded.signals
)sql";

constexpr char kStoreSetCounts[] = R"sql(
UPDATE prediction_set
SET images = $2,
  boxes = $3
WHERE key = $1
)sql";

constexpr char kPredictionsAfter[] = R"sql(
SELECT p.image_key, p.boxes, p.signals
FROM prediction p
JOIN image i ON i.key = p.image_key
WHERE p.set_key = $1
  AND p.image_key > $3
  AND i.use = $2
  AND i.state <> {image.rejected}
ORDER BY p.image_key
LIMIT $4
)sql";

PredictionSet ReadSet(const pqxx::row& row) {
  return {row["key"].as<int64_t>(), ReadText(row["model"]), row["embedding_size"].as<int>(),
          row["images"].as<int64_t>(), row["boxes"].as<int64_t>()};
}

std::optional<PredictionSet> LoadSet(pqxx::work& tx, int64_t pool_key) {
  const pqxx::result rows = Exec(tx, kFindSet, pool_key);
  if (rows.empty()) return std::nullopt;
  return ReadSet(rows[0]);
}

// The set that the chunk adds to: the pool's own, or a new one in its place.
absl::StatusOr<PredictionSet> SetFor(pqxx::work& tx, int64_t pool_key,
                                     const domain::PredictionStore::Chunk& chunk) {
  std::optional<PredictionSet> set = LoadSet(tx, pool_key);
  const bool fits = set && set->model == chunk.model && set->embedding_size == chunk.embedding_size;
  if (fits) return *std::move(set);
  if (set && (set->model == chunk.model || !chunk.may_replace)) {
    return base::FailedPrecondition(
        "PREDICTIONS_REPLACED",
        absl::StrCat("the predictions of ", base::Quoted(chunk.model),
                     " cannot be added to: those of ", base::Quoted(set->model),
                     " with embeddings of ", set->embedding_size,
                     " numbers were put meanwhile; put all of them again"),
        "model");
  }
  if (set) Exec(tx, "DELETE FROM prediction_set WHERE key = $1", set->key);
  return ReadSet(Exec(tx, kBeginSet, pool_key, chunk.model, int64_t{chunk.embedding_size})[0]);
}

struct PredictionArrays {
  std::vector<int64_t> images, counts;
  std::vector<std::string> boxes, signals;
};

PredictionArrays ToPredictionArrays(absl::Span<const domain::ImageSignals> predictions) {
  PredictionArrays arrays;
  for (const domain::ImageSignals& image : predictions) {
    arrays.images.push_back(image.image_key);
    arrays.counts.push_back(static_cast<int64_t>(image.predictions.size()));
    arrays.boxes.push_back(EncodeBoxes(image.predictions));
    arrays.signals.push_back(EncodeSignals(image));
  }
  return arrays;
}

}  // namespace

absl::StatusOr<std::optional<PredictionSet>> PostgresPredictionStore::FindSet(int64_t pool_key) {
  using Result = absl::StatusOr<std::optional<PredictionSet>>;
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> Result { return LoadSet(tx, pool_key); });
}

absl::StatusOr<PredictionSet> PostgresPredictionStore::Put(int64_t pool_key, const Chunk& chunk,
                                                           int64_t max_boxes) {
  const PredictionArrays arrays = ToPredictionArrays(chunk.predictions);
  return InTransaction(
      connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<PredictionSet> {
        if (Exec(tx, kLockPoolOfSet, pool_key).empty()) return PoolNotFound();
        MGRAL_ASSIGN_OR_RETURN(PredictionSet set, SetFor(tx, pool_key, chunk));
        const pqxx::row replaced = Exec(tx, kCountReplaced, set.key, IntArray(arrays.images))[0];
        set.images += static_cast<int64_t>(arrays.images.size()) - replaced["images"].as<int64_t>();
        set.boxes -= replaced["boxes"].as<int64_t>();
        for (const int64_t count : arrays.counts) set.boxes += count;
        if (set.boxes > max_boxes) {
          return base::FailedPrecondition(
              "TOO_MANY_BOXES",
              absl::StrCat("the pool would hold ", set.boxes, " predicted boxes; at most ",
                           max_boxes, " are allowed: leave out those of low scores"),
              "predictions");
        }
        Exec(tx, kStorePredictions, set.key, IntArray(arrays.images), IntArray(arrays.counts),
             BytesArray(arrays.boxes), BytesArray(arrays.signals));
        Exec(tx, kStoreSetCounts, set.key, set.images, set.boxes);
        return set;
      });
}

absl::StatusOr<std::vector<domain::ImageSignals>> PostgresPredictionStore::Predictions(
    int64_t set_key, domain::ImageUse use, int64_t after_key, int limit) {
  using Result = std::vector<domain::ImageSignals>;
  return InTransaction(connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Result> {
    Result page;
    for (const pqxx::row& row :
         Exec(tx, kPredictionsAfter, set_key, static_cast<int>(use), after_key, limit)) {
      domain::ImageSignals& image = page.emplace_back();
      image.image_key = row["image_key"].as<int64_t>();
      MGRAL_ASSIGN_OR_RETURN(image.predictions, DecodeBoxes(ReadBytes(row["boxes"])));
      MGRAL_RETURN_IF_ERROR(DecodeSignals(ReadBytes(row["signals"]), &image));
    }
    return page;
  });
}

}  // namespace mgral::storage
