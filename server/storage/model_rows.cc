#include "server/storage/model_rows.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "server/storage/encoding.h"

namespace mgral::storage {

std::string ModelQuery(const std::string& rest) {
  return absl::StrCat(
      "SELECT m.key, m.version, (SELECT number FROM cycle WHERE key = m.cycle_key), EXISTS (SELECT "
      "1 FROM pool p JOIN snapshot s ON s.key = p.snapshot_key WHERE p.key = m.pool_key AND "
      "s.model_key = m.key), m.profile, m.parameters, m.weights_sha256, m.training_images, "
      "m.validation_images, m.map50, m.map50_11_point, m.map, m.class_ap50, m.class_ap50_11_point, "
      "m.class_ap, m.class_boxes, ",
      MGRAL_MICROS("m.create_time"), " FROM model m ", rest);
}

absl::StatusOr<domain::Model> ReadModel(const pqxx::row& row) {
  domain::Model model;
  model.key = row[0].as<int64_t>();
  model.version = row[1].as<int64_t>();
  model.cycle_id = ReadText(row[2]);
  model.published = row[3].as<bool>();
  model.profile = ReadText(row[4]);
  model.parameters = row[5].as<int64_t>();
  model.weights_sha256 = ReadText(row[6]);
  model.training_images = row[7].as<int64_t>();
  model.validation.images = row[8].as<int64_t>();
  model.validation.map50 = ReadDouble(row[9]);
  model.validation.map50_11_point = ReadDouble(row[10]);
  model.validation.map = ReadDouble(row[11]);
  const auto ap50 = ParseDoubleArray(ReadText(row[12]));
  const auto ap50_11_point = ParseDoubleArray(ReadText(row[13]));
  const auto ap = ParseDoubleArray(ReadText(row[14]));
  const auto boxes = ParseIntArray(ReadText(row[15]));
  for (const absl::Status& status :
       {ap50.status(), ap50_11_point.status(), ap.status(), boxes.status()}) {
    if (!status.ok()) return status;
  }
  for (size_t c = 0; c < boxes->size(); ++c) {
    model.validation.classes.push_back(
        {ap50->at(c), ap50_11_point->at(c), ap->at(c), boxes->at(c)});
  }
  model.create_time = ReadTime(row[16]);
  return model;
}

int64_t StoreModel(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                   const domain::CycleStore::TrainedModel& model) {
  std::vector<double> ap50, ap50_11_point, ap;
  std::vector<int64_t> boxes;
  for (const domain::ClassAccuracy& accuracy : model.validation.classes) {
    ap50.push_back(accuracy.ap50);
    ap50_11_point.push_back(accuracy.ap50_11_point);
    ap.push_back(accuracy.ap);
    boxes.push_back(accuracy.ground_truth_boxes);
  }
  const pqxx::result rows = Exec(
      tx,
      "INSERT INTO model (pool_key, version, cycle_key, profile, parameters, weights_sha256, "
      "cold_start, training_images, validation_images, map50, map50_11_point, map, class_ap50, "
      "class_ap50_11_point, class_ap, class_boxes) VALUES ($1, (SELECT coalesce(max(version), 0) + "
      "1 FROM model WHERE pool_key = $1), $2, $3, $4, $5, $6, $7, $8, $9::double precision, "
      "$10::double precision, $11::double precision, $12::double precision[], $13::double "
      "precision[], $14::double precision[], $15::bigint[]) ON CONFLICT (cycle_key) DO UPDATE SET "
      "profile = excluded.profile, parameters = excluded.parameters, weights_sha256 = "
      "excluded.weights_sha256, cold_start = excluded.cold_start, training_images = "
      "excluded.training_images, validation_images = excluded.validation_images, map50 = "
      "excluded.map50, map50_11_point = excluded.map50_11_point, map = excluded.map, class_ap50 = "
      "excluded.class_ap50, class_ap50_11_point = excluded.class_ap50_11_point, class_ap = "
      "excluded.class_ap, class_boxes = excluded.class_boxes RETURNING version",
      pool_key, cycle_key, model.profile, model.parameters, model.weights_sha256, model.cold_start,
      model.training_images, model.validation.images, model.validation.map50,
      model.validation.map50_11_point, model.validation.map, DoubleArray(ap50),
      DoubleArray(ap50_11_point), DoubleArray(ap), IntArray(boxes));
  return rows[0][0].as<int64_t>();
}

}  // namespace mgral::storage
