#pragma once

#include "server/domain/prediction_store.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

class PostgresPredictionStore : public domain::PredictionStore {
 public:
  explicit PostgresPredictionStore(ConnectionPool& connections) : connections_(connections) {}

  absl::StatusOr<std::optional<domain::PredictionSet>> FindSet(int64_t pool_key) override;
  absl::StatusOr<domain::PredictionSet> Put(int64_t pool_key, const Chunk& chunk,
                                            int64_t max_boxes) override;
  absl::StatusOr<std::vector<domain::ImageSignals>> Predictions(int64_t set_key,
                                                                domain::ImageUse use,
                                                                int64_t after_key,
                                                                int limit) override;

 private:
  ConnectionPool& connections_;
};

}  // namespace mgral::storage
