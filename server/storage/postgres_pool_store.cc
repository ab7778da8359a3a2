#include "server/storage/postgres_pool_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"
#include "server/storage/page_token.h"
#include "server/storage/pool_rows.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Image;
using domain::ImageState;
using domain::ImageUse;
using domain::NewImage;
using domain::Page;
using domain::PageRequest;
using domain::Pool;

constexpr char kImageTables[] = " FROM image i LEFT JOIN batch b ON b.key = i.batch_key ";
constexpr size_t kMaxReportedImages = 10;

// The images as one array per column.
struct ImageArrays {
  std::string ids, kinds, locations, uses, widths, heights;
};

absl::StatusOr<ImageArrays> ToArrays(absl::Span<const NewImage> images) {
  std::vector<std::string> ids, locations;
  std::vector<int64_t> kinds, uses, widths, heights;
  absl::flat_hash_map<std::string, size_t> seen;
  for (size_t i = 0; i < images.size(); ++i) {
    const NewImage& image = images[i];
    const std::string field = absl::StrCat("images[", i, "].");
    if (!IsStorableText(image.image_id) || image.image_id.empty() || image.image_id.size() > 256) {
      return base::InvalidField(field + "image_id", "must be 1 to 256 bytes of printable UTF-8");
    }
    if (!IsStorableText(image.source.location)) {
      return base::InvalidField(field + "source", "is not valid UTF-8");
    }
    const auto [first, is_new] = seen.emplace(image.image_id, i);
    if (!is_new) {
      return base::InvalidField(field + "image_id",
                                absl::StrCat("stands at images[", first->second, "] already"));
    }
    ids.push_back(image.image_id);
    kinds.push_back(static_cast<int>(image.source.kind));
    locations.push_back(image.source.location);
    uses.push_back(static_cast<int>(image.use));
    widths.push_back(image.width);
    heights.push_back(image.height);
  }
  return ImageArrays{TextArray(ids), IntArray(kinds),  TextArray(locations),
                     IntArray(uses), IntArray(widths), IntArray(heights)};
}

// What to answer when some of the images were there before. Labels may have given an image another
// use than it was registered with: that stays.
absl::Status CheckExisting(pqxx::work& tx, int64_t pool_key, const ImageArrays& arrays,
                           absl::Span<const NewImage> images) {
  const pqxx::result rows =
      Exec(tx,
           "SELECT u.position - 1, p.pool_id FROM unnest($2::text[], $3::smallint[], $4::text[], "
           "$5::smallint[]) WITH ORDINALITY AS u (id, kind, location, use, position) "
           "JOIN image i ON i.pool_key = $1 AND i.image_id = u.id JOIN pool p ON p.key = $1 "
           "WHERE i.source_kind <> u.kind OR i.location <> u.location OR (i.use <> u.use AND "
           "i.label_revision = 0) "
           "ORDER BY u.position",
           pool_key, arrays.ids, arrays.kinds, arrays.locations, arrays.uses);
  if (rows.empty()) return absl::OkStatus();
  std::vector<base::FieldViolation> violations;
  for (const pqxx::row& row : rows) {
    if (violations.size() == kMaxReportedImages) break;
    violations.push_back({absl::StrCat("images[", row[0].as<int64_t>(), "].image_id"),
                          "is registered already, with another source or use"});
  }
  const std::string& first = images[rows[0][0].as<int64_t>()].image_id;
  return base::WithFields(
      base::AlreadyExists("image", absl::StrCat("pools/", ReadText(rows[0][1]), "/images/", first),
                          "it has another source or use; choose another image_id"),
      violations);
}

// One listing of images: their order is that of their keys.
std::string ImageScope(int64_t pool_key, std::optional<ImageState> state,
                       std::optional<ImageUse> use) {
  return absl::StrCat("images/", pool_key, "/", state ? static_cast<int>(*state) : 0, "/",
                      use ? static_cast<int>(*use) : 0);
}

// Only images in that state, in words that the partial index answers to.
std::string StateCondition(ImageState state) {
  const std::string over = "(b.state <> 1 OR b.expire_time <= clock_timestamp())";
  switch (state) {
    case ImageState::kUnlabeled:
      return absl::StrCat(" AND (i.state = 1 OR (i.state = 2 AND ", over, "))");
    case ImageState::kLeased:
      return absl::StrCat(" AND i.state = 2 AND NOT ", over);
    case ImageState::kLabeled:
      return " AND i.state = 3";
    case ImageState::kRejected:
      return " AND i.state = 4";
  }
  return "";
}

}  // namespace

absl::StatusOr<Pool> PostgresPoolStore::CreatePool(const Pool& pool,
                                                   const domain::RequestKey& request) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Pool> {
    const auto answer = FindAnswer(tx, std::nullopt, request);
    if (!answer.ok()) return answer.status();
    if (*answer) return LoadPool(tx, (*answer)->at(0));
    const pqxx::result rows =
        Exec(tx,
             "INSERT INTO pool (pool_id, display_name, classes, profile, warm_start, "
             "training_steps, input_size, strategy, batch_size, probes, replay_probes, seed) "
             "VALUES ($1, $2, $3::text[], $4, $5, $6, $7, $8, $9, $10, $11, $12) "
             "ON CONFLICT (pool_id) DO NOTHING RETURNING key",
             pool.pool_id, pool.display_name, TextArray(pool.classes), pool.detector.profile,
             pool.detector.warm_start, pool.detector.training_steps, pool.detector.input_size,
             pool.selection.strategy, pool.selection.batch_size, pool.selection.probes,
             pool.selection.replay_probes, pool.selection.seed);
    if (rows.empty()) {
      return base::AlreadyExists("pool", absl::StrCat("pools/", pool.pool_id),
                                 "choose another pool_id");
    }
    const int64_t key = rows[0][0].as<int64_t>();
    StoreAnswer(tx, std::nullopt, request, {key});
    return LoadPool(tx, key);
  });
}

absl::StatusOr<Pool> PostgresPoolStore::GetPool(const std::string& pool_id) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) { return LoadPoolById(tx, pool_id); });
}

absl::StatusOr<Page<Pool>> PostgresPoolStore::ListPools(const PageRequest& page,
                                                        const domain::PoolScope& scope) {
  const absl::StatusOr<int64_t> after = DecodePageToken(page.token, "pools", 0);
  if (!after.ok()) return after.status();
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Pool>> {
        const pqxx::result rows = Exec(
            tx,
            PoolQuery("WHERE p.key > $1 AND ($3 OR p.pool_id = ANY ($4::text[]) OR p.pool_id "
                      "^@ ANY ($5::text[])) ORDER BY p.key LIMIT $2"),
            *after, page.size + 1, scope.all, TextArray(scope.pool_ids), TextArray(scope.prefixes));
        Page<Pool> result;
        for (const pqxx::row& row : rows) {
          if (static_cast<int>(result.items.size()) == page.size) {
            result.next_page_token = EncodePageToken("pools", result.items.back().key);
            break;
          }
          result.items.push_back(ReadPool(row));
        }
        return result;
      });
}

absl::Status PostgresPoolStore::DeletePool(const std::string& pool_id, bool force) {
  const std::string name = absl::StrCat("pools/", pool_id);
  if (!IsStorableText(pool_id)) return base::NotFound("pool", name);
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    const pqxx::result rows =
        Exec(tx, "SELECT key FROM pool WHERE pool_id = $1 FOR UPDATE", pool_id);
    if (rows.empty()) return base::NotFound("pool", name);
    const int64_t key = rows[0][0].as<int64_t>();
    const bool running =
        !Exec(tx, "SELECT 1 FROM cycle WHERE pool_key = $1 AND state IN (1, 2)", key).empty();
    if (running && !force) {
      return base::FailedPrecondition(
          "CYCLE_RUNNING",
          absl::StrCat("a cycle of ", name, " is running: cancel it, or delete with force"));
    }
    Exec(tx, "DELETE FROM pool WHERE key = $1", key);
    Exec(tx, "SELECT pg_notify('mgral_cycle', '')");
    return absl::OkStatus();
  });
}

absl::StatusOr<domain::PoolStore::Registered> PostgresPoolStore::RegisterImages(
    int64_t pool_key, absl::Span<const NewImage> images, const domain::RequestKey& request) {
  if (images.empty()) return Registered{};
  const absl::StatusOr<ImageArrays> arrays = ToArrays(images);
  if (!arrays.ok()) return arrays.status();
  return InTransaction(
      connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Registered> {
        const auto answer = FindAnswer(tx, pool_key, request);
        if (!answer.ok()) return answer.status();
        if (*answer) return Registered{(*answer)->at(0), (*answer)->at(1)};
        Registered result;
        // Keys in the order given, which is that of listings; rows in the order of ids, so that two
        // registrations of the same images don't wait for each other.
        result.registered =
            Exec(
                tx,
                "WITH given AS MATERIALIZED (SELECT nextval('image_key_seq') AS key, u.* FROM "
                "unnest($2::text[], $3::smallint[], $4::text[], $5::smallint[], $6::integer[], "
                "$7::integer[]) AS u (id, kind, location, use, width, height)) "
                "INSERT INTO image (key, pool_key, image_id, source_kind, location, use, width, "
                "height, shuffle) OVERRIDING SYSTEM VALUE SELECT u.key, p.key, u.id, u.kind, "
                "u.location, u.use, u.width, u.height, hashtextextended(u.id, p.seed) FROM pool p, "
                "given u WHERE p.key = $1 ORDER BY u.id COLLATE \"C\" "
                "ON CONFLICT (pool_key, image_id) DO NOTHING",
                pool_key, arrays->ids, arrays->kinds, arrays->locations, arrays->uses,
                arrays->widths, arrays->heights)
                .affected_rows();
        result.existing = static_cast<int64_t>(images.size()) - result.registered;
        if (result.existing > 0) {
          if (Exec(tx, "SELECT 1 FROM pool WHERE key = $1", pool_key).empty()) {
            return PoolNotFound();
          }
          const absl::Status status = CheckExisting(tx, pool_key, *arrays, images);
          if (!status.ok()) return status;
        }
        StoreAnswer(tx, pool_key, request, {result.registered, result.existing});
        return result;
      });
}

absl::StatusOr<Image> PostgresPoolStore::GetImage(int64_t pool_key, const std::string& image_id) {
  absl::StatusOr<std::vector<Image>> images = GetImages(pool_key, {image_id});
  if (!images.ok()) return images.status();
  if (images->empty()) return base::NotFound("image", image_id);
  return std::move(images->front());
}

absl::StatusOr<std::vector<Image>> PostgresPoolStore::GetImages(
    int64_t pool_key, const std::vector<std::string>& ids) {
  std::vector<std::string> possible;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(possible), IsStorableText);
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Image>> {
        const pqxx::result rows = Exec(
            tx,
            absl::StrCat("SELECT ", kImageColumns,
                         " FROM unnest($2::text[]) WITH ORDINALITY AS u (id, position) JOIN image "
                         "i ON i.pool_key = $1 AND i.image_id = u.id LEFT JOIN batch b ON b.key = "
                         "i.batch_key ORDER BY u.position"),
            pool_key, TextArray(possible));
        std::vector<Image> images;
        for (const pqxx::row& row : rows) images.push_back(ReadImage(row));
        return images;
      });
}

absl::StatusOr<Page<Image>> PostgresPoolStore::ListImages(int64_t pool_key, const PageRequest& page,
                                                          std::optional<ImageState> state,
                                                          std::optional<ImageUse> use) {
  const std::string scope = ImageScope(pool_key, state, use);
  const absl::StatusOr<int64_t> after = DecodePageToken(page.token, scope, 0);
  if (!after.ok()) return after.status();
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Image>> {
        const pqxx::result rows =
            Exec(tx,
                 absl::StrCat("SELECT ", kImageColumns, kImageTables,
                              "WHERE i.pool_key = $1 AND i.key > $2",
                              state ? StateCondition(*state) : "",
                              use ? absl::StrCat(" AND i.use = ", static_cast<int>(*use)) : "",
                              " ORDER BY i.key LIMIT $3"),
                 pool_key, *after, page.size + 1);
        Page<Image> result;
        for (const pqxx::row& row : rows) {
          if (static_cast<int>(result.items.size()) == page.size) {
            result.next_page_token = EncodePageToken(scope, result.items.back().key);
            break;
          }
          result.items.push_back(ReadImage(row));
        }
        return result;
      });
}

absl::StatusOr<std::vector<domain::PoolStore::LabeledImage>> PostgresPoolStore::LabeledImages(
    int64_t pool_key, ImageUse use, int64_t after_key, int limit) {
  return InTransaction(
      connections_, Access::kRead,
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<LabeledImage>> {
        const pqxx::result rows = Exec(
            tx,
            absl::StrCat("SELECT ", kImageColumns, ", r.boxes", kImageTables,
                         "JOIN label_revision r ON r.image_key = i.key AND r.revision = "
                         "i.label_revision WHERE i.pool_key = $1 AND i.state = 3 AND i.use = $2 "
                         "AND i.key > $3 ORDER BY i.key LIMIT $4"),
            pool_key, static_cast<int>(use), after_key, limit);
        std::vector<LabeledImage> images;
        images.reserve(rows.size());
        for (const pqxx::row& row : rows) {
          absl::StatusOr<std::vector<domain::Box>> boxes =
              DecodeBoxes(ReadBytes(row[kImageColumnCount]));
          if (!boxes.ok()) return boxes.status();
          images.push_back({ReadImage(row), *std::move(boxes)});
        }
        return images;
      });
}

absl::StatusOr<std::vector<Image>> PostgresPoolStore::UnlabeledImages(int64_t pool_key,
                                                                      int64_t after_key,
                                                                      int limit) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Image>> {
        const pqxx::result rows = Exec(
            tx,
            absl::StrCat("SELECT ", kImageColumns, kImageTables,
                         "WHERE i.pool_key = $1 AND i.state IN (1, 2) AND i.use = 1 AND i.key > $2 "
                         "ORDER BY i.key LIMIT $3"),
            pool_key, after_key, limit);
        std::vector<Image> images;
        images.reserve(rows.size());
        for (const pqxx::row& row : rows) images.push_back(ReadImage(row));
        return images;
      });
}

absl::Status PostgresPoolStore::RejectImage(int64_t image_key, const std::string& reason) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    const pqxx::result rows =
        Exec(tx,
             "UPDATE image i SET state = 4, reject_reason = $2, batch_key = NULL FROM (SELECT key, "
             "batch_key FROM image WHERE key = $1 AND label_revision = 0 AND state IN (1, 2) FOR "
             "UPDATE) AS old WHERE i.key = old.key RETURNING old.batch_key",
             image_key, reason);
    if (rows.empty() || rows[0][0].is_null()) return absl::OkStatus();
    // It may have been the last open image of its batch.
    Exec(tx,
         "UPDATE batch b SET state = 2 WHERE b.key = $1 AND b.state = 1 AND b.expire_time > "
         "clock_timestamp() AND NOT EXISTS (SELECT 1 FROM image i WHERE i.batch_key = b.key AND "
         "i.state = 2)",
         rows[0][0].as<int64_t>());
    return absl::OkStatus();
  });
}

}  // namespace mgral::storage
