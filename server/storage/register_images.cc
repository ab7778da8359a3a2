#include "server/storage/register_images.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/storage/encoding.h"
#include "server/storage/pool_rows.h"

namespace mgral::storage {
namespace {

using domain::NewImage;

constexpr size_t kMaxReportedImages = 10;

// Keys in the order given, which is that of listings; rows in the order of ids, so that two
// registrations of the same images don't wait for each other.
constexpr char kInsertImages[] = R"sql(
WITH given AS MATERIALIZED (
  SELECT nextval('image_key_seq') AS key, u.*
  FROM unnest(
    $2::text[], $3::smallint[], $4::text[], $5::smallint[], $6::integer[], $7::integer[],
    $8::text[]
  ) AS u (id, kind, location, use, width, height, note)
)
INSERT INTO image (
  key, pool_key, image_id, source_kind, location, use, width, height, note, shuffle
)
OVERRIDING SYSTEM VALUE
SELECT
  u.key, p.key, u.id, u.kind, u.location, u.use, u.width, u.height, u.note,
  hashtextextended(u.id, p.seed)
FROM pool p, given u
WHERE p.key = $1
ORDER BY u.id COLLATE "C"
ON CONFLICT (pool_key, image_id) DO NOTHING
)sql";

// Labels may have given an image another use than it was registered with: that stays.
constexpr char kFindConflicts[] = R"sql(
SELECT u.position - 1 AS index, p.pool_id
FROM unnest($2::text[], $3::smallint[], $4::text[], $5::smallint[])
  WITH ORDINALITY AS u (id, kind, location, use, position)
JOIN image i ON i.pool_key = $1 AND i.image_id = u.id
JOIN pool p ON p.key = $1
WHERE i.source_kind <> u.kind
  OR i.location <> u.location
  OR (i.use <> u.use AND i.label_revision = 0)
ORDER BY u.position
)sql";

// ALREADY_EXISTS when an image is there with another source or use.
absl::Status CheckExisting(pqxx::work& tx, int64_t pool_key, const ImageArrays& arrays,
                           absl::Span<const NewImage> images) {
  const pqxx::result rows =
      Exec(tx, kFindConflicts, pool_key, arrays.ids, arrays.kinds, arrays.locations, arrays.uses);
  if (rows.empty()) return absl::OkStatus();
  std::vector<base::FieldViolation> violations;
  for (const pqxx::row& row : rows) {
    if (violations.size() == kMaxReportedImages) break;
    violations.push_back({absl::StrCat("images[", row["index"].as<int64_t>(), "].image_id"),
                          "is registered already, with another source or use"});
  }
  const std::string& first = images[rows[0]["index"].as<int64_t>()].image_id;
  return base::WithFields(
      base::AlreadyExists("image",
                          absl::StrCat("pools/", ReadText(rows[0]["pool_id"]), "/images/", first),
                          "it has another source or use; choose another image_id"),
      violations);
}

}  // namespace

absl::StatusOr<ImageArrays> ToImageArrays(absl::Span<const NewImage> images) {
  std::vector<std::string> ids, locations, notes;
  std::vector<int64_t> kinds, uses, widths, heights;
  absl::flat_hash_map<std::string, size_t> seen;
  for (size_t i = 0; i < images.size(); ++i) {
    const NewImage& image = images[i];
    const std::string field = absl::StrCat("images[", i, "].");
    if (!IsStorableText(image.image_id) || image.image_id.empty() ||
        image.image_id.size() > base::kMaxImageIdBytes) {
      return base::InvalidField(field + "image_id", "must be 1 to 256 bytes of printable UTF-8");
    }
    if (!IsStorableText(image.source.location)) {
      return base::InvalidField(field + "source", "is not valid UTF-8");
    }
    const auto [first, is_new] = seen.emplace(image.image_id, i);
    if (!is_new) {
      return base::InvalidField(
          field + "image_id", absl::StrCat("is the same as images[", first->second, "].image_id"));
    }
    ids.push_back(image.image_id);
    kinds.push_back(static_cast<int>(image.source.kind));
    locations.push_back(image.source.location);
    uses.push_back(static_cast<int>(image.use));
    widths.push_back(image.width);
    heights.push_back(image.height);
    notes.push_back(image.note);
  }
  return ImageArrays{TextArray(ids),   IntArray(kinds),   TextArray(locations), IntArray(uses),
                     IntArray(widths), IntArray(heights), TextArray(notes)};
}

absl::StatusOr<domain::PoolStore::Registered> InsertImages(pqxx::work& tx, int64_t pool_key,
                                                           const ImageArrays& arrays,
                                                           absl::Span<const NewImage> images) {
  domain::PoolStore::Registered result;
  result.registered = Exec(tx, kInsertImages, pool_key, arrays.ids, arrays.kinds, arrays.locations,
                           arrays.uses, arrays.widths, arrays.heights, arrays.notes)
                          .affected_rows();
  result.existing = static_cast<int64_t>(images.size()) - result.registered;
  if (result.existing > 0) {
    const bool pool_exists = !Exec(tx, "SELECT 1 FROM pool WHERE key = $1", pool_key).empty();
    if (!pool_exists) return PoolNotFound();
    MGRAL_RETURN_IF_ERROR(CheckExisting(tx, pool_key, arrays, images));
  }
  return result;
}

}  // namespace mgral::storage
