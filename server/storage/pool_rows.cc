#include "server/storage/pool_rows.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace mgral::storage {
namespace {

// Counts by state and use are those of `image_count`, corrected by the images of leases that are
// over but were not returned yet: those are unlabeled.
constexpr char kSelectPool[] = R"sql(
SELECT
  p.key,
  p.pool_id,
  p.display_name,
  p.classes,
  p.profile,
  p.warm_start,
  p.training_steps,
  p.input_size,
  p.trunk,
  p.strategy,
  p.batch_size,
  p.probes,
  p.replay_probes,
  p.seed,
  p.seconds_per_image,
  p.seconds_per_box,
  p.uniform_share,
  p.probe_seconds,
  p.applies_exif_orientation,
  (extract(epoch FROM p.create_time) * 1000000)::bigint AS create_time,
  (
    SELECT m.version
    FROM snapshot s
    JOIN model m ON m.key = s.model_key
    WHERE s.key = p.snapshot_key
  ) AS published_version,
  p.start_model_version,
  c.*
FROM pool p
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(images) FILTER (WHERE state = {image.unlabeled}), 0) AS unlabeled,
    coalesce(sum(images) FILTER (WHERE state = {image.leased}), 0) AS leased,
    coalesce(sum(images) FILTER (WHERE state = {image.labeled}), 0) AS labeled,
    coalesce(sum(images) FILTER (WHERE state = {image.rejected}), 0) AS rejected,
    coalesce(sum(images) FILTER (WHERE use = {use.validation}), 0) AS validation,
    coalesce(sum(images) FILTER (WHERE use = {use.training}), 0) AS training,
    (
      SELECT count(*)
      FROM batch b
      JOIN image i ON i.batch_key = b.key AND i.state = {image.leased}
      WHERE b.pool_key = p.key
        AND b.state = {batch.leased}
        AND b.expire_time <= clock_timestamp()
    ) AS expired
  FROM image_count n
  WHERE n.pool_key = p.key
) AS c
)sql";

constexpr char kImageColumns[] = R"sql(
  i.key,
  i.image_id,
  i.source_kind,
  i.location,
  (SELECT applies_exif_orientation FROM pool WHERE key = $1) AS oriented,
  CASE
    WHEN i.state = {image.leased}
      AND (b.state <> {batch.leased} OR b.expire_time <= clock_timestamp())
    THEN {image.unlabeled}
    ELSE i.state
  END AS state,
  i.use,
  i.width,
  i.height,
  i.reject_reason,
  i.note,
  (extract(epoch FROM i.create_time) * 1000000)::bigint AS create_time,
  i.label_revision
)sql";

}  // namespace

domain::Pool ReadPool(const pqxx::row& row) {
  domain::Pool pool;
  pool.key = row["key"].as<int64_t>();
  pool.pool_id = ReadText(row["pool_id"]);
  pool.display_name = ReadText(row["display_name"]);
  pool.classes = ReadTextArray(row["classes"]);
  pool.detector.profile = ReadText(row["profile"]);
  pool.detector.warm_start = row["warm_start"].as<bool>();
  pool.detector.training_steps = row["training_steps"].as<int>();
  pool.detector.input_size = row["input_size"].as<int>();
  pool.detector.trunk = ReadText(row["trunk"]);
  pool.selection.strategy = ReadText(row["strategy"]);
  pool.selection.batch_size = row["batch_size"].as<int>();
  pool.selection.probes = row["probes"].as<int>();
  pool.selection.replay_probes = row["replay_probes"].as<int>();
  pool.selection.seed = row["seed"].as<int64_t>();
  pool.selection.seconds_per_image = ReadDouble(row["seconds_per_image"]);
  pool.selection.seconds_per_box = ReadDouble(row["seconds_per_box"]);
  pool.selection.uniform_share = ReadDouble(row["uniform_share"]);
  pool.selection.probe_seconds = ReadDouble(row["probe_seconds"]);
  pool.applies_exif_orientation = row["applies_exif_orientation"].as<bool>();
  pool.create_time = ReadTime(row["create_time"]);
  pool.published_model_version = ReadOptional<int64_t>(row["published_version"]);
  pool.start_model_version = ReadOptional<int64_t>(row["start_model_version"]);
  const int64_t expired = row["expired"].as<int64_t>();
  pool.counts.unlabeled = row["unlabeled"].as<int64_t>() + expired;
  pool.counts.leased = row["leased"].as<int64_t>() - expired;
  pool.counts.labeled = row["labeled"].as<int64_t>();
  pool.counts.rejected = row["rejected"].as<int64_t>();
  pool.counts.validation = row["validation"].as<int64_t>();
  pool.counts.training = row["training"].as<int64_t>();
  return pool;
}

std::string PoolQuery(absl::string_view rest) { return absl::StrCat(kSelectPool, rest); }

absl::StatusOr<domain::Pool> LoadPool(pqxx::work& tx, int64_t pool_key) {
  const pqxx::result rows = Exec(tx, PoolQuery("WHERE p.key = $1"), pool_key);
  if (rows.empty()) return PoolNotFound();
  return ReadPool(rows[0]);
}

absl::StatusOr<domain::Pool> LoadPoolById(pqxx::work& tx, const std::string& pool_id) {
  const absl::Status missing = base::NotFound("pool", absl::StrCat("pools/", pool_id));
  if (!IsStorableText(pool_id)) return missing;
  const pqxx::result rows = Exec(tx, PoolQuery("WHERE p.pool_id = $1"), pool_id);
  if (rows.empty()) return missing;
  return ReadPool(rows[0]);
}

absl::Status PoolNotFound() { return absl::NotFoundError("the pool was deleted"); }

std::string ImageQuery(absl::string_view rest, absl::string_view more_columns) {
  return absl::StrCat("SELECT", kImageColumns, more_columns, rest);
}

std::string ImageStateCondition(domain::ImageState state) {
  switch (state) {
    case domain::ImageState::kUnlabeled:
      return R"sql(
  AND (
    i.state = {image.unlabeled}
    OR (
      i.state = {image.leased}
      AND (b.state <> {batch.leased} OR b.expire_time <= clock_timestamp())
    )
  )
)sql";
    case domain::ImageState::kLeased:
      return R"sql(
  AND i.state = {image.leased}
  AND NOT (b.state <> {batch.leased} OR b.expire_time <= clock_timestamp())
)sql";
    case domain::ImageState::kLabeled:
      return " AND i.state = {image.labeled}";
    case domain::ImageState::kRejected:
      return " AND i.state = {image.rejected}";
  }
  return "";
}

domain::Image ReadImage(const pqxx::row& row) {
  domain::Image image;
  image.key = row["key"].as<int64_t>();
  image.image_id = ReadText(row["image_id"]);
  image.source.kind = static_cast<domain::ImageSource::Kind>(row["source_kind"].as<int>());
  image.source.location = ReadText(row["location"]);
  image.source.oriented = row["oriented"].as<bool>();
  image.state = static_cast<domain::ImageState>(row["state"].as<int>());
  image.use = static_cast<domain::ImageUse>(row["use"].as<int>());
  image.width = row["width"].as<int>();
  image.height = row["height"].as<int>();
  image.reject_reason = ReadText(row["reject_reason"]);
  image.note = ReadText(row["note"]);
  image.create_time = ReadTime(row["create_time"]);
  image.label_revision = row["label_revision"].as<int64_t>();
  return image;
}

std::vector<domain::Image> ReadImages(const pqxx::result& rows) {
  std::vector<domain::Image> images;
  images.reserve(rows.size());
  for (const pqxx::row& row : rows) images.push_back(ReadImage(row));
  return images;
}

}  // namespace mgral::storage
