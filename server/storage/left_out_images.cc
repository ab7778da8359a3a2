#include "server/storage/left_out_images.h"

#include <map>
#include <string>

#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

constexpr int kMaxListed = 100;

constexpr char kStore[] = R"sql(
INSERT INTO left_out_image (cycle_key, image_key, reason)
SELECT $1, given.*
FROM unnest($2::bigint[], $3::text[]) AS given
ON CONFLICT (cycle_key, image_key) DO UPDATE
SET reason = excluded.reason
)sql";

constexpr char kRead[] = R"sql(
SELECT numbered.cycle_key, numbered.image_key, i.image_id, numbered.reason, numbered.images
FROM (
  SELECT cycle_key, image_key, reason,
    count(*) OVER (PARTITION BY cycle_key) AS images,
    row_number() OVER (PARTITION BY cycle_key ORDER BY image_key) AS position
  FROM left_out_image
  WHERE cycle_key = ANY($1::bigint[])
) AS numbered
JOIN image i ON i.key = numbered.image_key
WHERE numbered.position <= $2
ORDER BY numbered.cycle_key, numbered.position
)sql";

}  // namespace

void StoreLeftOut(pqxx::work& tx, int64_t cycle_key,
                  const std::vector<domain::LeftOutImage>& images) {
  std::map<int64_t, std::string> reasons;  // one row each
  for (const domain::LeftOutImage& image : images) {
    reasons[image.image_key] =
        IsStorableText(image.reason) ? image.reason : "the image cannot be used";
  }
  std::vector<int64_t> keys;
  std::vector<std::string> texts;
  for (const auto& [key, reason] : reasons) {
    keys.push_back(key);
    texts.push_back(reason);
  }
  if (!keys.empty()) Exec(tx, kStore, cycle_key, IntArray(keys), TextArray(texts));
}

void ReadLeftOut(pqxx::work& tx, std::vector<domain::Cycle>* cycles) {
  std::map<int64_t, domain::Cycle*> by_key;
  std::vector<int64_t> keys;
  for (domain::Cycle& cycle : *cycles) {
    by_key[cycle.key] = &cycle;
    keys.push_back(cycle.key);
  }
  for (const pqxx::row& row : Exec(tx, kRead, IntArray(keys), kMaxListed)) {
    domain::Cycle* const cycle = by_key.at(row["cycle_key"].as<int64_t>());
    cycle->left_out_count = row["images"].as<int64_t>();
    cycle->left_out.push_back(
        {row["image_key"].as<int64_t>(), ReadText(row["image_id"]), ReadText(row["reason"])});
  }
}

}  // namespace mgral::storage
