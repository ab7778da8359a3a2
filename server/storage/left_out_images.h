#pragma once

// Inside of server/storage only: the images that a cycle could not use.

#include <vector>

#include "server/domain/cycle.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

// The caller has locked the cycle.
void StoreLeftOut(pqxx::work& tx, int64_t cycle_key,
                  const std::vector<domain::LeftOutImage>& images);
// Fills in the first 100 of each cycle, and how many there are.
void ReadLeftOut(pqxx::work& tx, std::vector<domain::Cycle>* cycles);

}  // namespace mgral::storage
