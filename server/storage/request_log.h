#pragma once

// Inside of server/storage only.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/request.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// Calls that may be repeated (AIP-155). The call's row is inserted by the transaction that does its
// work, so a concurrent repetition waits for it and then finds the answer.
//
// Inserts the row of a call that is new: nullopt, as for a call without a request_id. Of a call
// made before: the answer stored then. `pool_key` nullopt: the call is no pool's. Errors:
// INVALID_ARGUMENT on "request_id" when it stands for another call.
absl::StatusOr<std::optional<std::vector<int64_t>>> BeginRequest(pqxx::work& tx,
                                                                 std::optional<int64_t> pool_key,
                                                                 const domain::RequestKey& request);
// For a call that BeginRequest found to be new.
void StoreAnswer(pqxx::work& tx, std::optional<int64_t> pool_key, const domain::RequestKey& request,
                 const std::vector<int64_t>& answer);

}  // namespace mgral::storage
