#include "server/storage/batch_rows.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

using domain::Batch;
using domain::BatchImage;

absl::StatusOr<std::optional<domain::Gain>> ReadGain(const pqxx::field& field) {
  if (field.is_null()) return std::optional<domain::Gain>();
  absl::StatusOr<domain::Gain> gain = ParseGainArray(ReadText(field));
  if (!gain.ok()) return gain.status();
  return std::optional<domain::Gain>(*std::move(gain));
}

absl::StatusOr<Batch> ReadBatch(const pqxx::row& row) {
  Batch batch;
  batch.key = row[0].as<int64_t>();
  batch.batch_id = ReadText(row[0]);
  batch.state = static_cast<domain::BatchState>(row[1].as<int>());
  batch.strategy = ReadText(row[2]);
  batch.strategy_note = ReadText(row[3]);
  batch.model_version = ReadOptional<int64_t>(row[4]);
  batch.table_version = row[5].as<int64_t>();
  auto estimated = ReadGain(row[6]), realised = ReadGain(row[7]);
  if (!estimated.ok()) return estimated.status();
  if (!realised.ok()) return realised.status();
  batch.estimated_gain = *std::move(estimated);
  batch.realised_gain = *std::move(realised);
  batch.annotator = ReadText(row[8]);
  batch.create_time = ReadTime(row[9]);
  batch.expire_time = ReadTime(row[10]);
  return batch;
}

// An image that another batch holds, or nobody any more, is nothing this batch still waits for.
constexpr char kBatchImages[] =
    "SELECT bi.batch_key, bi.image_key, i.image_id, bi.rank, bi.cell, bi.expected_gain, "
    "CASE WHEN i.state = 2 AND i.batch_key = bi.batch_key AND (b.state <> 1 OR b.expire_time <= "
    "clock_timestamp()) THEN 1 ELSE i.state END, ";

}  // namespace

namespace internal {

std::string BatchQuery(const std::string& rest) {
  return absl::StrCat("SELECT b.key, ", MGRAL_BATCH_STATE,
                      ", b.strategy, b.strategy_note, b.model_version, b.table_version, "
                      "b.estimated_gain, b.realised_gain, b.annotator, ",
                      MGRAL_MICROS("b.create_time"), ", ", MGRAL_MICROS("b.expire_time"),
                      " FROM batch b ", rest);
}

absl::StatusOr<std::vector<Batch>> ReadBatches(pqxx::work& tx, Predictions predictions,
                                               const pqxx::result& rows) {
  std::vector<Batch> batches;
  std::vector<int64_t> keys;
  absl::flat_hash_map<int64_t, size_t> index;
  for (const pqxx::row& row : rows) {
    absl::StatusOr<Batch> batch = ReadBatch(row);
    if (!batch.ok()) return batch.status();
    index[batch->key] = batches.size();
    keys.push_back(batch->key);
    batches.push_back(*std::move(batch));
  }
  if (batches.empty()) return batches;
  const pqxx::result images =
      Exec(tx,
           absl::StrCat(kBatchImages, predictions == Predictions::kWith ? "bi.predictions" : "NULL",
                        " FROM batch_image bi JOIN batch b ON b.key = bi.batch_key JOIN image i ON "
                        "i.key = bi.image_key WHERE bi.batch_key = ANY($1::bigint[]) "
                        "ORDER BY bi.batch_key, bi.rank"),
           IntArray(keys));
  for (const pqxx::row& row : images) {
    BatchImage image;
    image.image_key = row[1].as<int64_t>();
    image.image_id = ReadText(row[2]);
    image.rank = row[3].as<int>();
    image.cell = row[4].as<int>();
    absl::StatusOr<std::vector<float>> gain = ParseFloatArray(ReadText(row[5]));
    if (!gain.ok()) return gain.status();
    image.expected_gain = *std::move(gain);
    image.state = static_cast<domain::ImageState>(row[6].as<int>());
    if (!row[7].is_null()) {
      absl::StatusOr<std::vector<domain::Box>> boxes = DecodeBoxes(ReadBytes(row[7]));
      if (!boxes.ok()) return boxes.status();
      image.predictions = *std::move(boxes);
    }
    batches[index.at(row[0].as<int64_t>())].images.push_back(std::move(image));
  }
  return batches;
}

}  // namespace internal

void ReturnImages(pqxx::work& tx, const std::vector<int64_t>& batch_keys) {
  Exec(tx,
       "WITH held AS (SELECT key, pool_key FROM image WHERE batch_key = ANY($1::bigint[]) AND "
       "state = 2 ORDER BY key FOR UPDATE), "
       "entries AS (UPDATE queue_entry q SET taken = false FROM held h JOIN pool p ON p.key = "
       "h.pool_key WHERE q.snapshot_key = p.snapshot_key AND q.image_key = h.key AND q.taken) "
       "UPDATE image i SET state = 1, batch_key = NULL FROM held h WHERE i.key = h.key",
       IntArray(batch_keys));
}

}  // namespace mgral::storage
