#include "server/storage/lease_images.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

using namespace std::string_literals;
using domain::Batch;
using domain::BatchImage;
using domain::BatchStore;

constexpr size_t kCachedTables = 64;
constexpr char kRandom[] = "random";
constexpr char kColdStart[] = "cold_start";

// What the pool's published snapshot offers to a query.
struct Offer {
  int64_t batch_key = 0;
  std::optional<int64_t> snapshot_key, model_version, table_key;
  int64_t table_version = 0;
  std::string note;
  std::vector<std::string> strategies;
  bool has_expired_leases = false;
};

struct Leased {
  std::vector<BatchImage> images;
  std::vector<BatchStore::TableImage> known;  // those with a table entry
};

absl::StatusOr<Offer> ReadOffer(pqxx::work& tx, int64_t pool_key) {
  const pqxx::result rows =
      Exec(tx,
           "SELECT nextval('batch_key'), s.key, m.version, t.key, coalesce(t.version, 0), "
           "coalesce(s.note, ''), s.strategies, EXISTS (SELECT 1 FROM batch b WHERE b.pool_key = "
           "p.key AND b.state = 1 AND b.expire_time <= clock_timestamp()) "
           "FROM pool p LEFT JOIN snapshot s ON s.key = p.snapshot_key LEFT JOIN model m ON m.key "
           "= s.model_key LEFT JOIN lookup_table t ON t.key = s.table_key WHERE p.key = $1",
           pool_key);
  if (rows.empty()) return PoolNotFound();
  const pqxx::row row = rows[0];
  Offer offer;
  offer.batch_key = row[0].as<int64_t>();
  offer.snapshot_key = ReadOptional<int64_t>(row[1]);
  offer.model_version = ReadOptional<int64_t>(row[2]);
  offer.table_key = ReadOptional<int64_t>(row[3]);
  offer.table_version = row[4].as<int64_t>();
  offer.note = ReadText(row[5]);
  if (!row[6].is_null()) offer.strategies = ReadTextArray(row[6]);
  offer.has_expired_leases = row[7].as<bool>();
  return offer;
}

// Turns `picked` (image_key, place) into leased images, with what the snapshot says of them. The
// parameters: $1 batch, $2 limit, $3 snapshot.
std::string LeaseSql(const std::string& picked, Contention contention) {
  return absl::StrCat(
      "WITH picked AS MATERIALIZED (", picked, " LIMIT $2 FOR UPDATE OF i",
      contention == Contention::kSkip ? " SKIP LOCKED" : "",
      "), leased AS (UPDATE image i SET state = 2, batch_key = $1 FROM picked p WHERE i.key = "
      "p.image_key RETURNING i.key, i.image_id, p.place), "
      "entries AS (UPDATE queue_entry q SET taken = true FROM picked p WHERE q.snapshot_key = $3 "
      "AND q.image_key = p.image_key AND NOT q.taken) "
      "SELECT l.key, l.image_id, s.cell, s.entry, s.expected_gain, s.predictions FROM leased l "
      "LEFT JOIN snapshot_image s ON s.snapshot_key = $3 AND s.image_key = l.key ORDER BY l.place");
}

absl::Status Append(const pqxx::result& rows, Leased* leased) {
  for (const pqxx::row& row : rows) {
    BatchImage image;
    image.image_key = row[0].as<int64_t>();
    image.image_id = ReadText(row[1]);
    image.rank = static_cast<int>(leased->images.size());
    if (!row[2].is_null()) {
      image.cell = row[2].as<int>();
      absl::StatusOr<std::vector<float>> gain = ParseFloatArray(ReadText(row[4]));
      if (!gain.ok()) return gain.status();
      image.expected_gain = *std::move(gain);
      absl::StatusOr<std::vector<domain::Box>> boxes = DecodeBoxes(ReadBytes(row[5]));
      if (!boxes.ok()) return boxes.status();
      image.predictions = *std::move(boxes);
      std::string entry = ReadBytes(row[3]);
      if (!entry.empty()) {
        leased->known.push_back({image.image_key, image.image_id, image.cell, std::move(entry)});
      }
    }
    leased->images.push_back(std::move(image));
  }
  return absl::OkStatus();
}

absl::Status LeaseFromQueue(pqxx::work& tx, const Offer& offer, const std::string& strategy,
                            int limit, Contention contention, Leased* leased) {
  return Append(
      Exec(tx,
           LeaseSql("SELECT q.image_key, q.position AS place FROM queue_entry q JOIN image i ON "
                    "i.key = q.image_key WHERE q.snapshot_key = $3 AND q.strategy = $4 AND NOT "
                    "q.taken AND i.state = 1 AND i.use = 1 ORDER BY q.position",
                    contention),
           offer.batch_key, limit, offer.snapshot_key, strategy),
      leased);
}

absl::Status LeaseAtRandom(pqxx::work& tx, const Offer& offer, int64_t pool_key, int limit,
                           Contention contention, Leased* leased) {
  return Append(Exec(tx,
                     LeaseSql("SELECT i.key AS image_key, i.shuffle AS place FROM image i WHERE "
                              "i.pool_key = $4 AND i.state = 1 AND i.use = 1 ORDER BY i.shuffle",
                              contention),
                     offer.batch_key, limit, offer.snapshot_key, pool_key),
                leased);
}

// The strategy whose queue answers: the asked one, else that of the cold start, else none.
std::string QueueOf(const Offer& offer, const std::string& asked) {
  const auto has = [&](const std::string& strategy) {
    return std::find(offer.strategies.begin(), offer.strategies.end(), strategy) !=
           offer.strategies.end();
  };
  if (has(asked)) return asked;
  if (asked != kRandom && has(kColdStart)) return kColdStart;
  return "";
}

// Fills in the strategy that was really used and why it isn't the asked one. A batch is called by
// the strategy whose queue gave at least one of its images.
void NameStrategy(const Offer& offer, const std::string& asked, const std::string& queue,
                  int from_queue, Batch* batch) {
  const int total = static_cast<int>(batch->images.size());
  batch->strategy = from_queue > 0 ? queue : kRandom;
  if (asked == kRandom) return;
  if (queue != asked) {
    if (!offer.snapshot_key) {
      batch->strategy_note = "no cycle has published yet";
    } else if (queue == kColdStart) {
      batch->strategy_note = "too few labels to train on";
    } else {
      batch->strategy_note = absl::StrCat("the published snapshot has no queue of ", asked);
    }
    if (!offer.note.empty()) absl::StrAppend(&batch->strategy_note, " (", offer.note, ")");
  }
  if (!queue.empty() && from_queue < total) {
    absl::StrAppend(&batch->strategy_note, batch->strategy_note.empty() ? "" : "; ",
                    total - from_queue, " of ", total,
                    " images are random: the queue has no more until the next cycle");
  }
}

absl::Status Estimate(pqxx::work& tx, TableCache& tables, const Offer& offer,
                      const BatchStore::Estimator& estimator, const Leased& leased, Batch* batch) {
  if (!offer.table_key || leased.known.empty() || !estimator) return absl::OkStatus();
  const auto table = tables.Get(tx, *offer.table_key);
  if (!table.ok()) return table.status();
  absl::StatusOr<domain::Gain> gain = estimator(**table, leased.known);
  if (!gain.ok()) return gain.status();
  batch->estimated_gain = *std::move(gain);
  return absl::OkStatus();
}

void StoreBatch(pqxx::work& tx, const Offer& offer, const BatchStore::LeaseRequest& request,
                Batch* batch) {
  std::vector<int64_t> keys;
  for (const BatchImage& image : batch->images) keys.push_back(image.image_key);
  std::optional<std::string> gain;
  if (batch->estimated_gain) gain = GainArray(*batch->estimated_gain);
  const pqxx::result rows =
      Exec(tx,
           "WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), "
           "stored AS (INSERT INTO batch (key, pool_key, strategy, strategy_note, model_version, "
           "table_version, estimated_gain, annotator, create_time, expire_time) SELECT $1::bigint, "
           "$2::bigint, $3, $4, $5::bigint, $6::bigint, $7::double precision[], $8, now, now + " MGRAL_INTERVAL("$9") " FROM clock), "
           "images AS (INSERT INTO batch_image (batch_key, rank, image_key, cell, expected_gain, "
           "predictions) SELECT $1::bigint, u.place - 1, u.key, coalesce(s.cell, -1), "
           "coalesce(s.expected_gain, '{}'), coalesce(s.predictions, $12::bytea) FROM "
           "unnest($10::bigint[]) WITH ORDINALITY AS u (key, place) LEFT JOIN snapshot_image s ON "
           "s.snapshot_key = $11::bigint AND s.image_key = u.key) "
           "SELECT " MGRAL_MICROS("now") ", " MGRAL_MICROS("now + " MGRAL_INTERVAL("$9"))
           " FROM clock",
           batch->key, request.pool_key, batch->strategy, batch->strategy_note,
           batch->model_version, batch->table_version, gain, request.annotator,
           int64_t{absl::ToInt64Microseconds(request.lease)}, IntArray(keys), offer.snapshot_key,
           Bytes{EncodeBoxes({})});
  batch->create_time = ReadTime(rows[0][0]);
  batch->expire_time = ReadTime(rows[0][1]);
}

absl::Status Exhausted(const BatchStore::LeaseRequest& request, int left) {
  const std::string message =
      left == 0
          ? "no unlabeled images are left in the pool: register more, or wait for leases to end"
          : absl::StrCat("only ", left, " unlabeled images are left, ", request.size,
                         " were asked for: ask for fewer, or set allow_fewer");
  return base::FailedPrecondition("POOL_EXHAUSTED", message, "size");
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
  auto table = std::make_shared<const std::string>(ReadBytes(rows[0][0]));
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
  const absl::StatusOr<Offer> offer = ReadOffer(tx, request.pool_key);
  if (!offer.ok()) return offer.status();
  if (offer->has_expired_leases) *expired = ExpireLeases(tx, request.pool_key, contention);
  const std::string queue = QueueOf(*offer, request.strategy);
  Leased leased;
  absl::Status status;
  if (!queue.empty()) {
    status = LeaseFromQueue(tx, *offer, queue, request.size, contention, &leased);
    if (!status.ok()) return status;
  }
  const int from_queue = static_cast<int>(leased.images.size());
  if (from_queue < request.size) {
    status =
        LeaseAtRandom(tx, *offer, request.pool_key, request.size - from_queue, contention, &leased);
    if (!status.ok()) return status;
  }
  const int found = static_cast<int>(leased.images.size());
  if (found < request.size) {
    if (contention == Contention::kSkip) return absl::OutOfRangeError("some may be locked");
    if (found == 0 || !request.allow_fewer) return Exhausted(request, found);
  }
  Batch batch;
  batch.key = offer->batch_key;
  batch.batch_id = absl::StrCat(batch.key);
  batch.images = std::move(leased.images);
  batch.model_version = offer->model_version;
  batch.table_version = offer->table_version;
  batch.annotator = request.annotator;
  NameStrategy(*offer, request.strategy, queue, from_queue, &batch);
  status = Estimate(tx, tables, *offer, estimator, leased, &batch);
  if (!status.ok()) return status;
  StoreBatch(tx, *offer, request, &batch);
  return batch;
}

int64_t ExpireLeases(pqxx::work& tx, std::optional<int64_t> pool_key, Contention contention) {
  const pqxx::result rows =
      Exec(tx,
           "UPDATE batch b SET state = 4 FROM (SELECT key FROM batch WHERE state = 1 AND "
           "expire_time <= clock_timestamp() AND ($1::bigint IS NULL OR pool_key = $1::bigint) "
           "ORDER BY key FOR UPDATE"s +
               (contention == Contention::kSkip ? " SKIP LOCKED" : "") +
               ") AS over WHERE b.key = over.key RETURNING b.key",
           pool_key);
  std::vector<int64_t> keys;
  for (const pqxx::row& row : rows) keys.push_back(row[0].as<int64_t>());
  if (!keys.empty()) ReturnImages(tx, keys);
  return static_cast<int64_t>(keys.size());
}

}  // namespace mgral::storage
