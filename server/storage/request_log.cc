#include "server/storage/request_log.h"

#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/storage/encoding.h"

namespace mgral::storage {
namespace {

constexpr char kInsertRequest[] = R"sql(
INSERT INTO request (pool_key, method, request_id, fingerprint)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
)sql";

// IS NOT DISTINCT FROM would not use the index.
constexpr char kFindRequest[] = R"sql(
SELECT fingerprint, answer
FROM request
WHERE (pool_key = $1::bigint OR ($1::bigint IS NULL AND pool_key IS NULL))
  AND method = $2
  AND request_id = $3
)sql";

constexpr char kStoreAnswer[] = R"sql(
UPDATE request
SET answer = $4::bigint[]
WHERE (pool_key = $1::bigint OR ($1::bigint IS NULL AND pool_key IS NULL))
  AND method = $2
  AND request_id = $3
)sql";

}  // namespace

absl::StatusOr<std::optional<std::vector<int64_t>>> BeginRequest(
    pqxx::work& tx, std::optional<int64_t> pool_key, const domain::RequestKey& request) {
  using Answer = std::optional<std::vector<int64_t>>;
  if (request.request_id.empty()) return Answer();
  const pqxx::result inserted =
      Exec(tx, kInsertRequest, pool_key, request.method, request.request_id, request.fingerprint);
  if (inserted.affected_rows() == 1) return Answer();
  const pqxx::result rows = Exec(tx, kFindRequest, pool_key, request.method, request.request_id);
  if (rows.empty()) return base::Unavailable("the database is busy", absl::Milliseconds(100));
  if (ReadText(rows[0]["fingerprint"]) != request.fingerprint) {
    return base::InvalidField("request_id",
                              "was used for another request: choose a new one for each request");
  }
  MGRAL_ASSIGN_OR_RETURN(std::vector<int64_t> answer, ParseIntArray(ReadText(rows[0]["answer"])));
  return Answer(std::move(answer));
}

void StoreAnswer(pqxx::work& tx, std::optional<int64_t> pool_key, const domain::RequestKey& request,
                 const std::vector<int64_t>& answer) {
  if (request.request_id.empty()) return;
  Exec(tx, kStoreAnswer, pool_key, request.method, request.request_id, IntArray(answer));
}

}  // namespace mgral::storage
