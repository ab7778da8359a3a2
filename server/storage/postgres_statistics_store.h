#pragma once

#include "server/domain/statistics_store.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

class PostgresStatisticsStore : public domain::StatisticsStore {
 public:
  explicit PostgresStatisticsStore(ConnectionPool& connections) : connections_(connections) {}

  absl::StatusOr<domain::Statistics> Read(int max_pools) override;

 private:
  ConnectionPool& connections_;
};

}  // namespace mgral::storage
