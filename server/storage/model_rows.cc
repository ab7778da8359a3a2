#include "server/storage/model_rows.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

constexpr char kSelectModel[] = R"sql(
SELECT
  m.key,
  m.version,
  (SELECT number FROM cycle WHERE key = m.cycle_key) AS cycle_number,
  EXISTS (
    SELECT 1
    FROM pool p
    JOIN snapshot s ON s.key = p.snapshot_key
    WHERE p.key = m.pool_key
      AND s.model_key = m.key
  ) AS published,
  m.imported_from,
  m.import_version,
  m.profile,
  m.parameters,
  m.weights_sha256,
  m.training_images,
  m.external_model,
  m.validation_images,
  m.map50,
  m.map50_11_point,
  m.map,
  m.class_ap50,
  m.class_ap50_11_point,
  m.class_ap,
  m.class_boxes,
  (extract(epoch FROM m.create_time) * 1000000)::bigint AS create_time
FROM model m
)sql";

// With $2 NULL, an imported model, which is its own import.
constexpr char kStoreModel[] = R"sql(
INSERT INTO model (
  pool_key, version, cycle_key, profile, parameters, weights_sha256, cold_start, training_images,
  validation_images, map50, map50_11_point, map, class_ap50, class_ap50_11_point, class_ap,
  class_boxes, import_version, imported_from, external_model
)
SELECT
  $1,
  next.version,
  $2::bigint, $3, $4, $5, $6, $7, $8,
  $9::double precision,
  $10::double precision,
  $11::double precision,
  $12::double precision[],
  $13::double precision[],
  $14::double precision[],
  $15::bigint[],
  CASE WHEN $2::bigint IS NULL THEN next.version ELSE $16::bigint END,
  $17,
  $18
FROM (
  SELECT coalesce(max(version), 0) + 1 AS version
  FROM model
  WHERE pool_key = $1
) AS next
ON CONFLICT (cycle_key) DO UPDATE
SET profile = excluded.profile,
  parameters = excluded.parameters,
  weights_sha256 = excluded.weights_sha256,
  cold_start = excluded.cold_start,
  training_images = excluded.training_images,
  validation_images = excluded.validation_images,
  map50 = excluded.map50,
  map50_11_point = excluded.map50_11_point,
  map = excluded.map,
  class_ap50 = excluded.class_ap50,
  class_ap50_11_point = excluded.class_ap50_11_point,
  class_ap = excluded.class_ap,
  class_boxes = excluded.class_boxes,
  import_version = excluded.import_version,
  external_model = excluded.external_model
RETURNING version
)sql";

constexpr char kLockPool[] = R"sql(
SELECT key
FROM pool
WHERE key = $1
FOR NO KEY UPDATE
)sql";

// `cycle_key` and `imported_from`: one of them.
int64_t InsertModel(pqxx::work& tx, int64_t pool_key, std::optional<int64_t> cycle_key,
                    const std::string& imported_from,
                    const domain::CycleStore::TrainedModel& model) {
  std::vector<double> ap50, ap50_11_point, ap;
  std::vector<int64_t> boxes;
  for (const domain::ClassAccuracy& accuracy : model.validation.classes) {
    ap50.push_back(accuracy.ap50);
    ap50_11_point.push_back(accuracy.ap50_11_point);
    ap.push_back(accuracy.ap);
    boxes.push_back(accuracy.ground_truth_boxes);
  }
  const pqxx::result rows =
      Exec(tx, kStoreModel, pool_key, cycle_key, model.profile, model.parameters,
           model.weights_sha256, model.cold_start, model.training_images, model.validation.images,
           model.validation.map50, model.validation.map50_11_point, model.validation.map,
           DoubleArray(ap50), DoubleArray(ap50_11_point), DoubleArray(ap), IntArray(boxes),
           model.import_version, imported_from, model.external_model);
  return rows[0]["version"].as<int64_t>();
}

}  // namespace

std::string ModelQuery(absl::string_view rest) { return absl::StrCat(kSelectModel, rest); }

absl::StatusOr<domain::Model> ReadModel(const pqxx::row& row) {
  domain::Model model;
  model.key = row["key"].as<int64_t>();
  model.version = row["version"].as<int64_t>();
  if (!row["cycle_number"].is_null()) model.cycle_id = ReadText(row["cycle_number"]);
  model.imported_from = ReadText(row["imported_from"]);
  model.import_version = ReadOptional<int64_t>(row["import_version"]);
  model.published = row["published"].as<bool>();
  model.profile = ReadText(row["profile"]);
  model.parameters = row["parameters"].as<int64_t>();
  model.weights_sha256 = ReadText(row["weights_sha256"]);
  model.training_images = row["training_images"].as<int64_t>();
  model.external_model = ReadText(row["external_model"]);
  model.validation.images = row["validation_images"].as<int64_t>();
  model.validation.map50 = ReadDouble(row["map50"]);
  model.validation.map50_11_point = ReadDouble(row["map50_11_point"]);
  model.validation.map = ReadDouble(row["map"]);
  MGRAL_ASSIGN_OR_RETURN(const auto ap50, ParseDoubleArray(ReadText(row["class_ap50"])));
  MGRAL_ASSIGN_OR_RETURN(const auto ap50_11_point,
                         ParseDoubleArray(ReadText(row["class_ap50_11_point"])));
  MGRAL_ASSIGN_OR_RETURN(const auto ap, ParseDoubleArray(ReadText(row["class_ap"])));
  MGRAL_ASSIGN_OR_RETURN(const auto boxes, ParseIntArray(ReadText(row["class_boxes"])));
  for (size_t c = 0; c < boxes.size(); ++c) {
    model.validation.classes.push_back({ap50.at(c), ap50_11_point.at(c), ap.at(c), boxes.at(c)});
  }
  model.create_time = ReadTime(row["create_time"]);
  return model;
}

absl::StatusOr<domain::Model> LoadModel(pqxx::work& tx, int64_t pool_key, int64_t version) {
  const pqxx::result rows =
      Exec(tx, ModelQuery("WHERE m.pool_key = $1 AND m.version = $2"), pool_key, version);
  if (rows.empty()) return base::NotFound("model", absl::StrCat("models/", version));
  return ReadModel(rows[0]);
}

absl::Status LockPool(pqxx::work& tx, int64_t pool_key) {
  return Exec(tx, kLockPool, pool_key).empty() ? PoolNotFound() : absl::OkStatus();
}

int64_t StoreModel(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                   const domain::CycleStore::TrainedModel& model) {
  return InsertModel(tx, pool_key, cycle_key, "", model);
}

int64_t StoreImportedModel(pqxx::work& tx, int64_t pool_key,
                           const domain::CycleStore::ImportedModel& model) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  domain::CycleStore::TrainedModel stored;
  stored.weights_sha256 = model.weights_sha256;
  stored.profile = model.profile;
  stored.parameters = model.parameters;
  stored.cold_start = true;
  stored.validation.map50 = stored.validation.map50_11_point = stored.validation.map = kUnknown;
  stored.validation.classes.assign(model.num_classes, {kUnknown, kUnknown, kUnknown, 0});
  const int64_t version = InsertModel(tx, pool_key, std::nullopt, model.file_name, stored);
  StoreStart(tx, pool_key, version);
  return version;
}

void StoreStart(pqxx::work& tx, int64_t pool_key, std::optional<int64_t> version) {
  Exec(tx, "UPDATE pool SET start_model_version = $2 WHERE key = $1", pool_key, version);
}

}  // namespace mgral::storage
