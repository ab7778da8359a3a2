#pragma once

#include <string>
#include <vector>

#include "server/domain/pool_store.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

class PostgresPoolStore : public domain::PoolStore {
 public:
  explicit PostgresPoolStore(ConnectionPool& connections) : connections_(connections) {}

  absl::StatusOr<domain::Pool> CreatePool(const domain::Pool& pool,
                                          const domain::RequestKey& request) override;
  absl::StatusOr<domain::Pool> GetPool(const std::string& pool_id) override;
  absl::StatusOr<domain::Page<domain::Pool>> ListPools(const domain::PageRequest& page,
                                                       const domain::PoolScope& scope) override;
  absl::Status DeletePool(const std::string& pool_id, bool force) override;
  absl::StatusOr<Registered> RegisterImages(int64_t pool_key,
                                            absl::Span<const domain::NewImage> images,
                                            const domain::RequestKey& request) override;
  absl::StatusOr<domain::Image> GetImage(int64_t pool_key, const std::string& image_id) override;
  absl::StatusOr<std::vector<domain::Image>> GetImages(
      int64_t pool_key, const std::vector<std::string>& ids) override;
  absl::StatusOr<domain::Page<domain::Image>> ListImages(
      int64_t pool_key, const domain::PageRequest& page, std::optional<domain::ImageState> state,
      std::optional<domain::ImageUse> use) override;
  absl::StatusOr<std::vector<LabeledImage>> LabeledImages(int64_t pool_key, domain::ImageUse use,
                                                          int64_t after_key, int limit) override;
  absl::StatusOr<std::vector<domain::Image>> UnlabeledImages(int64_t pool_key, int64_t after_key,
                                                             int limit) override;
  absl::Status RejectImage(int64_t image_key, int64_t label_revision,
                           const std::string& reason) override;

 private:
  ConnectionPool& connections_;
};

}  // namespace mgral::storage
