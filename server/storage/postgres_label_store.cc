#include "server/storage/postgres_label_store.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/storage/encoding.h"
#include "server/storage/ingest_labels.h"
#include "server/storage/page_token.h"
#include "server/storage/request_log.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using domain::Labels;
using domain::Page;

constexpr char kListLabels[] = R"sql(
SELECT
  i.key,
  i.image_id,
  r.revision,
  r.boxes,
  (extract(epoch FROM r.create_time) * 1000000)::bigint AS create_time,
  r.late,
  r.batch_key
FROM image i
JOIN label_revision r ON r.image_key = i.key AND r.revision = i.label_revision
WHERE i.pool_key = $1
  AND i.state = {image.labeled}
  AND i.key > $2
ORDER BY i.key
LIMIT $3
)sql";

absl::StatusOr<Labels> ReadLabels(const pqxx::row& row) {
  Labels labels;
  labels.image_key = row["key"].as<int64_t>();
  labels.image_id = ReadText(row["image_id"]);
  labels.revision = row["revision"].as<int64_t>();
  MGRAL_ASSIGN_OR_RETURN(labels.boxes, DecodeBoxes(ReadBytes(row["boxes"])));
  labels.create_time = ReadTime(row["create_time"]);
  labels.late = row["late"].as<bool>();
  if (!row["batch_key"].is_null()) labels.batch_id = ReadText(row["batch_key"]);
  return labels;
}

}  // namespace

absl::StatusOr<domain::LabelStore::Ingested> PostgresLabelStore::IngestLabels(
    int64_t pool_key, absl::Span<const domain::NewLabels> labels,
    const domain::RequestKey& request) {
  if (labels.empty()) return Ingested{};
  MGRAL_RETURN_IF_ERROR(CheckLabels(labels));
  bool is_new = false;
  const auto ingested =
      InTransaction(connections_, Access::kWrite, [&](pqxx::work& tx) -> absl::StatusOr<Ingested> {
        is_new = false;
        MGRAL_ASSIGN_OR_RETURN(const auto answer, BeginRequest(tx, pool_key, request));
        if (answer) return Ingested{answer->at(0), answer->at(1)};
        MGRAL_ASSIGN_OR_RETURN(const Ingested result, InsertLabels(tx, pool_key, labels));
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
  MGRAL_ASSIGN_OR_RETURN(const int64_t after, DecodePageToken(page.token, scope, 0));
  return InTransaction(
      connections_, Access::kRead, [&](pqxx::work& tx) -> absl::StatusOr<Page<Labels>> {
        Page<Labels> result;
        for (const pqxx::row& row : Exec(tx, kListLabels, pool_key, after, page.size + 1)) {
          MGRAL_ASSIGN_OR_RETURN(Labels labels, ReadLabels(row));
          result.items.push_back(std::move(labels));
        }
        CutPage(
            page, scope, [](const Labels& labels) { return labels.image_key; }, &result);
        return result;
      });
}

}  // namespace mgral::storage
