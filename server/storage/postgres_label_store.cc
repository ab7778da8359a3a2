#include "server/storage/postgres_label_store.h"

#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"
#include "server/storage/page_token.h"
#include "server/storage/pool_rows.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Labels;
using domain::NewLabels;
using domain::Page;

std::string Field(size_t i, const char* name) { return absl::StrCat("labels[", i, "].", name); }

// Arrays for one statement, in the order of the labels.
struct LabelArrays {
  std::vector<int64_t> images, states, uses, late, batches;
  std::vector<std::string> boxes, reasons;
};

absl::Status CheckTexts(absl::Span<const NewLabels> labels) {
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!IsStorableText(labels[i].image_id)) {
      return base::InvalidField(Field(i, "image_id"), "is not registered in the pool");
    }
    if (!IsStorableText(labels[i].reject_reason)) {
      return base::InvalidField(Field(i, "reject_reason"), "is not valid UTF-8");
    }
    if (!seen.insert(labels[i].image_id).second) {
      return base::InvalidField(Field(i, "image_id"), "stands twice in this request");
    }
  }
  return absl::OkStatus();
}

// Locks the batches that the labels name or that hold their images, before the images, as everyone
// does. Returns which of the named ones are over, by key.
absl::StatusOr<absl::flat_hash_map<int64_t, bool>> LockBatches(pqxx::work& tx, int64_t pool_key,
                                                               absl::Span<const NewLabels> labels,
                                                               const std::string& image_ids) {
  std::set<int64_t> named;
  for (const NewLabels& label : labels) {
    const int64_t key = ParseNumericId(label.batch_id);
    if (key >= 0) named.insert(key);
  }
  const pqxx::result rows =
      Exec(tx,
           "SELECT b.key, b.state IN (3, 4) OR b.expire_time <= clock_timestamp() FROM batch b "
           "WHERE b.pool_key = $1 AND b.key IN (SELECT unnest($2::bigint[]) UNION SELECT "
           "i.batch_key FROM image i WHERE i.pool_key = $1 AND i.image_id = ANY($3::text[])) "
           "ORDER BY b.key FOR UPDATE",
           pool_key, IntArray({named.begin(), named.end()}), image_ids);
  absl::flat_hash_map<int64_t, bool> over;
  for (const pqxx::row& row : rows) over[row[0].as<int64_t>()] = row[1].as<bool>();
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
  const pqxx::result rows =
      Exec(tx,
           "SELECT i.key, i.image_id FROM image i WHERE i.pool_key = $1 AND i.image_id = "
           "ANY($2::text[]) ORDER BY i.key FOR UPDATE",
           pool_key, image_ids);
  absl::flat_hash_map<std::string, int64_t> found;
  for (const pqxx::row& row : rows) found[ReadText(row[1])] = row[0].as<int64_t>();
  std::vector<int64_t> keys;
  std::vector<base::FieldViolation> violations;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto image = found.find(labels[i].image_id);
    if (image != found.end()) {
      keys.push_back(image->second);
    } else if (violations.size() < 10) {
      violations.push_back({Field(i, "image_id"), "is not registered in the pool"});
    }
  }
  if (!violations.empty()) return base::InvalidFields(violations);
  return keys;
}

absl::Status CheckMembership(pqxx::work& tx, absl::Span<const NewLabels> labels,
                             const LabelArrays& arrays) {
  const pqxx::result rows =
      Exec(tx,
           "SELECT u.place - 1 FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS u "
           "(batch, image, place) WHERE u.batch >= 0 AND NOT EXISTS (SELECT 1 FROM batch_image bi "
           "WHERE bi.batch_key = u.batch AND bi.image_key = u.image) ORDER BY u.place LIMIT 1",
           IntArray(arrays.batches), IntArray(arrays.images));
  if (rows.empty()) return absl::OkStatus();
  const size_t i = rows[0][0].as<size_t>();
  return base::InvalidField(
      Field(i, "batch"), absl::StrCat("batch ", labels[i].batch_id, " does not hold this image"));
}

// Writes revisions and image states, then completes live batches that wait for nothing more.
void Store(pqxx::work& tx, const LabelArrays& arrays,
           const absl::flat_hash_map<int64_t, bool>& batches) {
  Exec(tx,
       "WITH given AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::smallint[], "
       "$3::smallint[], $4::smallint[], $5::bigint[], $6::bytea[], $7::text[]) AS u (image, state, "
       "use, late, batch, boxes, reason)), "
       "stored AS (INSERT INTO label_revision (image_key, revision, boxes, late, batch_key) "
       "SELECT g.image, i.label_revision + 1, g.boxes, g.late = 1, nullif(g.batch, -1) FROM given "
       "g JOIN image i ON i.key = g.image WHERE g.state = 3) "
       "UPDATE image i SET state = g.state, batch_key = NULL, reject_reason = g.reason, use = "
       "CASE WHEN g.use = 0 THEN i.use ELSE g.use END, label_revision = i.label_revision + CASE "
       "WHEN g.state = 3 THEN 1 ELSE 0 END FROM given g WHERE i.key = g.image",
       IntArray(arrays.images), IntArray(arrays.states), IntArray(arrays.uses),
       IntArray(arrays.late), IntArray(arrays.batches), BytesArray(arrays.boxes),
       TextArray(arrays.reasons));
  std::vector<int64_t> keys;
  for (const auto& [key, over] : batches) {
    if (!over) keys.push_back(key);
  }
  if (keys.empty()) return;
  Exec(tx,
       "UPDATE batch b SET state = 2 WHERE b.key = ANY($1::bigint[]) AND b.state = 1 AND NOT "
       "EXISTS (SELECT 1 FROM image i WHERE i.batch_key = b.key AND i.state = 2)",
       IntArray(keys));
}

}  // namespace

absl::StatusOr<domain::LabelStore::Ingested> PostgresLabelStore::IngestLabels(
    int64_t pool_key, absl::Span<const NewLabels> labels, const domain::RequestKey& request) {
  if (labels.empty()) return Ingested{};
  const absl::Status texts = CheckTexts(labels);
  if (!texts.ok()) return texts;
  std::vector<std::string> ids;
  for (const NewLabels& label : labels) ids.push_back(label.image_id);
  const std::string image_ids = TextArray(ids);
  bool is_new = false;
  const auto ingested =
      InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Ingested> {
        is_new = false;
        const auto answer = FindAnswer(tx, pool_key, request);
        if (!answer.ok()) return answer.status();
        if (*answer) return Ingested{(*answer)->at(0), (*answer)->at(1)};
        const auto batches = LockBatches(tx, pool_key, labels, image_ids);
        if (!batches.ok()) return batches.status();
        LabelArrays arrays;
        absl::StatusOr<std::vector<int64_t>> keys = LockImages(tx, pool_key, labels, image_ids);
        if (!keys.ok()) return keys.status();
        arrays.images = *std::move(keys);
        Ingested result;
        for (const NewLabels& label : labels) {
          const int64_t batch = label.batch_id.empty() ? -1 : ParseNumericId(label.batch_id);
          const bool late = batch >= 0 && batches->at(batch);
          arrays.batches.push_back(batch);
          arrays.late.push_back(late);
          arrays.states.push_back(label.reject_reason.empty() ? 3 : 4);
          arrays.uses.push_back(label.use ? static_cast<int>(*label.use) : 0);
          arrays.boxes.push_back(EncodeBoxes(label.boxes));
          arrays.reasons.push_back(label.reject_reason);
          ++result.ingested;
          result.late += late;
        }
        const absl::Status member = CheckMembership(tx, labels, arrays);
        if (!member.ok()) return member;
        Store(tx, arrays, *batches);
        StoreAnswer(tx, pool_key, request, {result.ingested, result.late});
        is_new = true;
        return result;
      });
  if (ingested.ok() && is_new && observer_) observer_(*ingested);
  return ingested;
}

absl::StatusOr<Page<Labels>> PostgresLabelStore::ListLabels(int64_t pool_key,
                                                            const domain::PageRequest& page) {
  const std::string scope = absl::StrCat("labels/", pool_key);
  const absl::StatusOr<int64_t> after = DecodePageToken(page.token, scope, 0);
  if (!after.ok()) return after.status();
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Labels>> {
        const pqxx::result rows =
            Exec(tx,
                 "SELECT i.key, i.image_id, r.revision, r.boxes, " MGRAL_MICROS("r.create_time")
                 ", r.late, r.batch_key FROM image i JOIN label_revision r ON r.image_key = i.key "
                 "AND r.revision = i.label_revision WHERE i.pool_key = $1 AND i.state = 3 AND "
                 "i.key > $2 ORDER BY i.key LIMIT $3",
                 pool_key, *after, page.size + 1);
        Page<Labels> result;
        for (const pqxx::row& row : rows) {
          if (static_cast<int>(result.items.size()) == page.size) {
            result.next_page_token = EncodePageToken(scope, result.items.back().image_key);
            break;
          }
          Labels labels;
          labels.image_key = row[0].as<int64_t>();
          labels.image_id = ReadText(row[1]);
          labels.revision = row[2].as<int64_t>();
          absl::StatusOr<std::vector<domain::Box>> boxes = DecodeBoxes(ReadBytes(row[3]));
          if (!boxes.ok()) return boxes.status();
          labels.boxes = *std::move(boxes);
          labels.create_time = ReadTime(row[4]);
          labels.late = row[5].as<bool>();
          if (!row[6].is_null()) labels.batch_id = ReadText(row[6]);
          result.items.push_back(std::move(labels));
        }
        return result;
      });
}

}  // namespace mgral::storage
