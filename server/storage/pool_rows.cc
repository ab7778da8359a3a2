#include "server/storage/pool_rows.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"

namespace mgral::storage {

namespace {

constexpr char kPoolColumns[] =
    "p.key, p.pool_id, p.display_name, p.classes, p.profile, p.warm_start, p.training_steps, "
    "p.input_size, p.strategy, p.batch_size, p.probes, p.replay_probes, "
    "p.seed, " MGRAL_MICROS("p.create_time")
    ", (SELECT m.version FROM snapshot s JOIN model m ON m.key = s.model_key "
    "WHERE s.key = p.snapshot_key), c.* ";

// Joined to the pool: counts by state and use, with the images of leases that are over but were not
// swept yet as unlabeled.
constexpr char kPoolTables[] =
    " FROM pool p CROSS JOIN LATERAL ("
    "SELECT coalesce(sum(images) FILTER (WHERE state = 1), 0), "
    "coalesce(sum(images) FILTER (WHERE state = 2), 0), "
    "coalesce(sum(images) FILTER (WHERE state = 3), 0), "
    "coalesce(sum(images) FILTER (WHERE state = 4), 0), "
    "coalesce(sum(images) FILTER (WHERE use = 2), 0), "
    "coalesce(sum(images) FILTER (WHERE use = 1), 0), "
    "(SELECT count(*) FROM batch b JOIN image i ON i.batch_key = b.key AND i.state = 2 "
    "WHERE b.pool_key = p.key AND b.state = 1 AND b.expire_time <= clock_timestamp()) "
    "FROM image_count n WHERE n.pool_key = p.key"
    ") AS c (unlabeled, leased, labeled, rejected, validation, training, expired) ";

}  // namespace

domain::Pool ReadPool(const pqxx::row& row) {
  domain::Pool pool;
  pool.key = row[0].as<int64_t>();
  pool.pool_id = ReadText(row[1]);
  pool.display_name = ReadText(row[2]);
  pool.classes = ReadTextArray(row[3]);
  pool.detector.profile = ReadText(row[4]);
  pool.detector.warm_start = row[5].as<bool>();
  pool.detector.training_steps = row[6].as<int>();
  pool.detector.input_size = row[7].as<int>();
  pool.selection.strategy = ReadText(row[8]);
  pool.selection.batch_size = row[9].as<int>();
  pool.selection.probes = row[10].as<int>();
  pool.selection.replay_probes = row[11].as<int>();
  pool.selection.seed = row[12].as<int64_t>();
  pool.create_time = ReadTime(row[13]);
  pool.published_model_version = ReadOptional<int64_t>(row[14]);
  const int64_t over = row[21].as<int64_t>();
  pool.counts.unlabeled = row[15].as<int64_t>() + over;
  pool.counts.leased = row[16].as<int64_t>() - over;
  pool.counts.labeled = row[17].as<int64_t>();
  pool.counts.rejected = row[18].as<int64_t>();
  pool.counts.validation = row[19].as<int64_t>();
  pool.counts.training = row[20].as<int64_t>();
  return pool;
}

std::string PoolQuery(const std::string& rest) {
  return absl::StrCat("SELECT ", kPoolColumns, kPoolTables, rest);
}

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

const char kImageColumns[] =
    "i.key, i.image_id, i.source_kind, i.location, CASE WHEN i.state = 2 AND (b.state <> 1 OR "
    "b.expire_time <= clock_timestamp()) THEN 1 ELSE i.state END, i.use, i.width, i.height, "
    "i.reject_reason, " MGRAL_MICROS("i.create_time") ", i.label_revision ";

domain::Image ReadImage(const pqxx::row& row) {
  domain::Image image;
  image.key = row[0].as<int64_t>();
  image.image_id = ReadText(row[1]);
  image.source.kind = static_cast<domain::ImageSource::Kind>(row[2].as<int>());
  image.source.location = ReadText(row[3]);
  image.state = static_cast<domain::ImageState>(row[4].as<int>());
  image.use = static_cast<domain::ImageUse>(row[5].as<int>());
  image.width = row[6].as<int>();
  image.height = row[7].as<int>();
  image.reject_reason = ReadText(row[8]);
  image.create_time = ReadTime(row[9]);
  image.label_revision = row[10].as<int64_t>();
  return image;
}

}  // namespace mgral::storage
