#pragma once

#include <utility>

#include "server/domain/label_store.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

class PostgresLabelStore : public domain::LabelStore {
 public:
  explicit PostgresLabelStore(ConnectionPool& connections, Observer observer = nullptr)
      : connections_(connections), observer_(std::move(observer)) {}

  absl::StatusOr<Ingested> IngestLabels(int64_t pool_key,
                                        absl::Span<const domain::NewLabels> labels,
                                        const domain::RequestKey& request) override;
  absl::StatusOr<domain::Page<domain::Labels>> ListLabels(int64_t pool_key,
                                                          const domain::PageRequest& page) override;

 private:
  ConnectionPool& connections_;
  const Observer observer_;
};

}  // namespace mgral::storage
