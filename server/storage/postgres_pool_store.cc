#include "server/storage/postgres_pool_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/batch_rows.h"
#include "server/storage/encoding.h"
#include "server/storage/page_token.h"
#include "server/storage/pool_rows.h"
#include "server/storage/register_images.h"
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

constexpr char kInsertPool[] = R"sql(
INSERT INTO pool (
  pool_id, display_name, classes, profile, warm_start, training_steps, input_size, trunk,
  strategy, batch_size, probes, replay_probes, seed, applies_exif_orientation, seconds_per_image,
  seconds_per_box, uniform_share, probe_seconds
)
VALUES ($1, $2, $3::text[], $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (pool_id) DO NOTHING
RETURNING key
)sql";

constexpr char kListPools[] = R"sql(
WHERE p.key > $1
  AND ($3 OR p.pool_id = ANY ($4::text[]) OR p.pool_id ^@ ANY ($5::text[]))
ORDER BY p.key
LIMIT $2
)sql";

constexpr char kFindRunningCycle[] = R"sql(
SELECT 1
FROM cycle
WHERE pool_key = $1
  AND state IN ({cycle.queued}, {cycle.running})
)sql";

constexpr char kGetImages[] = R"sql(
FROM unnest($2::text[]) WITH ORDINALITY AS u (id, position)
JOIN image i ON i.pool_key = $1 AND i.image_id = u.id
LEFT JOIN batch b ON b.key = i.batch_key
ORDER BY u.position
)sql";

constexpr char kListImages[] = R"sql(
FROM image i
LEFT JOIN batch b ON b.key = i.batch_key
WHERE i.pool_key = $1
  AND i.key > $2
)sql";

constexpr char kLabeledImages[] = R"sql(
FROM image i
LEFT JOIN batch b ON b.key = i.batch_key
JOIN label_revision r ON r.image_key = i.key AND r.revision = i.label_revision
WHERE i.pool_key = $1
  AND i.state = {image.labeled}
  AND i.use = $2
  AND i.key > $3
ORDER BY i.key
LIMIT $4
)sql";

constexpr char kUnlabeledImages[] = R"sql(
FROM image i
LEFT JOIN batch b ON b.key = i.batch_key
WHERE i.pool_key = $1
  AND i.state IN ({image.unlabeled}, {image.leased})
  AND i.use = {use.training}
  AND i.key > $2
ORDER BY i.key
LIMIT $3
)sql";

constexpr char kRejectImage[] = R"sql(
UPDATE image i
SET state = {image.rejected},
  reject_reason = $2,
  batch_key = NULL
FROM (
  SELECT key
  FROM image
  WHERE key = $1
    AND label_revision = $3
    AND state <> {image.rejected}
  FOR UPDATE
) AS old
WHERE i.key = old.key
RETURNING i.key
)sql";

constexpr char kLockLiveBatchOf[] = R"sql(
SELECT b.key
FROM image i
JOIN batch b ON b.key = i.batch_key
WHERE i.key = $1
  AND b.state = {batch.leased}
  AND b.expire_time > clock_timestamp()
FOR UPDATE OF b
)sql";

// Identifies one listing of images to its page tokens.
std::string ImageScope(int64_t pool_key, std::optional<ImageState> state,
                       std::optional<ImageUse> use) {
  return absl::StrCat("images/", pool_key, "/", state ? static_cast<int>(*state) : 0, "/",
                      use ? static_cast<int>(*use) : 0);
}

}  // namespace

absl::StatusOr<Pool> PostgresPoolStore::CreatePool(const Pool& pool,
                                                   const domain::RequestKey& request) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Pool> {
    MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, std::nullopt, request));
    if (answer) return LoadPool(tx, answer->at(0));
    const pqxx::result rows = Exec(
        tx, kInsertPool, pool.pool_id, pool.display_name, TextArray(pool.classes),
        pool.detector.profile, pool.detector.warm_start, pool.detector.training_steps,
        pool.detector.input_size, pool.detector.trunk, pool.selection.strategy,
        pool.selection.batch_size, pool.selection.probes, pool.selection.replay_probes,
        pool.selection.seed, pool.applies_exif_orientation, pool.selection.seconds_per_image,
        pool.selection.seconds_per_box, pool.selection.uniform_share, pool.selection.probe_seconds);
    if (rows.empty()) {
      return base::AlreadyExists("pool", absl::StrCat("pools/", pool.pool_id),
                                 "choose another pool_id");
    }
    const int64_t key = rows[0]["key"].as<int64_t>();
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
  MGRAL_ASSIGN_OR_RETURN(const int64_t after, DecodePageToken(page.token, "pools", 0));
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Pool>> {
        Page<Pool> result;
        for (const pqxx::row& row : Exec(tx, PoolQuery(kListPools), after, page.size + 1, scope.all,
                                         TextArray(scope.pool_ids), TextArray(scope.prefixes))) {
          result.items.push_back(ReadPool(row));
        }
        CutPage(
            page, "pools", [](const Pool& pool) { return pool.key; }, &result);
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
    const int64_t key = rows[0]["key"].as<int64_t>();
    const bool running = !Exec(tx, kFindRunningCycle, key).empty();
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
  MGRAL_ASSIGN_OR_RETURN(const ImageArrays arrays, ToImageArrays(images));
  return InTransaction(
      connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Registered> {
        MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, pool_key, request));
        if (answer) return Registered{answer->at(0), answer->at(1)};
        MGRAL_ASSIGN_OR_RETURN(const Registered result, InsertImages(tx, pool_key, arrays, images));
        StoreAnswer(tx, pool_key, request, {result.registered, result.existing});
        return result;
      });
}

absl::StatusOr<Image> PostgresPoolStore::GetImage(int64_t pool_key, const std::string& image_id) {
  MGRAL_ASSIGN_OR_RETURN(std::vector<Image> images, GetImages(pool_key, {image_id}));
  if (images.empty()) return base::NotFound("image", image_id);
  return std::move(images.front());
}

absl::StatusOr<std::vector<Image>> PostgresPoolStore::GetImages(
    int64_t pool_key, const std::vector<std::string>& ids) {
  std::vector<std::string> storable;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(storable), IsStorableText);
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Image>> {
        return ReadImages(Exec(tx, ImageQuery(kGetImages), pool_key, TextArray(storable)));
      });
}

absl::StatusOr<Page<Image>> PostgresPoolStore::ListImages(int64_t pool_key, const PageRequest& page,
                                                          std::optional<ImageState> state,
                                                          std::optional<ImageUse> use) {
  const std::string scope = ImageScope(pool_key, state, use);
  MGRAL_ASSIGN_OR_RETURN(const int64_t after, DecodePageToken(page.token, scope, 0));
  const std::string query =
      ImageQuery(absl::StrCat(kListImages, state ? ImageStateCondition(*state) : "",
                              use ? absl::StrCat(" AND i.use = ", static_cast<int>(*use)) : "",
                              " ORDER BY i.key LIMIT $3"));
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Image>> {
        Page<Image> result{ReadImages(Exec(tx, query, pool_key, after, page.size + 1)), ""};
        CutPage(
            page, scope, [](const Image& image) { return image.key; }, &result);
        return result;
      });
}

absl::StatusOr<std::vector<domain::PoolStore::LabeledImage>> PostgresPoolStore::LabeledImages(
    int64_t pool_key, ImageUse use, int64_t after_key, int limit) {
  return InTransaction(connections_, Access::kRead,
                       [&](pqxx::work& tx) -> absl::StatusOr<std::vector<LabeledImage>> {
                         const pqxx::result rows =
                             Exec(tx, ImageQuery(kLabeledImages, ", r.boxes"), pool_key,
                                  static_cast<int>(use), after_key, limit);
                         std::vector<LabeledImage> images;
                         images.reserve(rows.size());
                         for (const pqxx::row& row : rows) {
                           MGRAL_ASSIGN_OR_RETURN(auto boxes, DecodeBoxes(ReadBytes(row["boxes"])));
                           images.push_back({ReadImage(row), std::move(boxes)});
                         }
                         return images;
                       });
}

absl::StatusOr<std::vector<Image>> PostgresPoolStore::UnlabeledImages(int64_t pool_key,
                                                                      int64_t after_key,
                                                                      int limit) {
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Image>> {
        return ReadImages(Exec(tx, ImageQuery(kUnlabeledImages), pool_key, after_key, limit));
      });
}

absl::Status PostgresPoolStore::RejectImage(int64_t image_key, int64_t label_revision,
                                            const std::string& reason) {
  return InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) {
    // The batch before the image, as everyone does.
    const pqxx::result live = Exec(tx, kLockLiveBatchOf, image_key);
    const pqxx::result rejected =
        Exec(tx, kRejectImage, image_key,
             IsStorableText(reason) ? reason : "the image cannot be used", label_revision);
    if (live.empty() || rejected.empty()) return absl::OkStatus();
    // It may have been the last open image of its batch.
    CompleteBatches(tx, {live[0]["key"].as<int64_t>()});
    return absl::OkStatus();
  });
}

}  // namespace mgral::storage
