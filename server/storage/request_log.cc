#include "server/storage/request_log.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/encoding.h"

// IS NOT DISTINCT FROM would not use the index.
#define MGRAL_SCOPE "(pool_key = $1::bigint OR ($1::bigint IS NULL AND pool_key IS NULL))"

namespace mgral::storage {

absl::StatusOr<std::optional<std::vector<int64_t>>> FindAnswer(pqxx::work& tx,
                                                               std::optional<int64_t> pool_key,
                                                               const domain::RequestKey& request) {
  using Answer = std::optional<std::vector<int64_t>>;
  if (request.request_id.empty()) return Answer();
  const pqxx::result inserted =
      Exec(tx,
           "INSERT INTO request (pool_key, method, request_id, fingerprint) "
           "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
           pool_key, request.method, request.request_id, request.fingerprint);
  if (inserted.affected_rows() == 1) return Answer();
  const pqxx::result rows = Exec(tx,
                                 "SELECT fingerprint, answer FROM request WHERE " MGRAL_SCOPE
                                 " AND method = $2 AND request_id = $3",
                                 pool_key, request.method, request.request_id);
  if (rows.empty()) return base::Unavailable("the database is busy", absl::Milliseconds(100));
  if (ReadText(rows[0][0]) != request.fingerprint) {
    return base::InvalidField("request_id",
                              "was used for another request: choose a new one for each request");
  }
  absl::StatusOr<std::vector<int64_t>> answer = ParseIntArray(ReadText(rows[0][1]));
  if (!answer.ok()) return answer.status();
  return Answer(*std::move(answer));
}

void StoreAnswer(pqxx::work& tx, std::optional<int64_t> pool_key, const domain::RequestKey& request,
                 const std::vector<int64_t>& answer) {
  if (request.request_id.empty()) return;
  Exec(tx,
       "UPDATE request SET answer = $4::bigint[] WHERE " MGRAL_SCOPE
       " AND method = $2 AND request_id = $3",
       pool_key, request.method, request.request_id, IntArray(answer));
}

}  // namespace mgral::storage
