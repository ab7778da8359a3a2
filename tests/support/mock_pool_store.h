#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <vector>

#include "server/domain/pool_store.h"

namespace mgral::test {

class MockPoolStore : public domain::PoolStore {
 public:
  using Image = domain::Image;
  using PageRequest = domain::PageRequest;
  using Pool = domain::Pool;
  using RequestKey = domain::RequestKey;
  using Strings = std::vector<std::string>;

  MOCK_METHOD(absl::StatusOr<Pool>, CreatePool, (const Pool&, const RequestKey&), (override));
  MOCK_METHOD(absl::StatusOr<Pool>, GetPool, (const std::string&), (override));
  MOCK_METHOD(absl::StatusOr<domain::Page<Pool>>, ListPools,
              (const PageRequest&, const domain::PoolScope&), (override));
  MOCK_METHOD(absl::Status, DeletePool, (const std::string&, bool), (override));
  MOCK_METHOD(absl::StatusOr<Registered>, RegisterImages,
              (int64_t, absl::Span<const domain::NewImage>, const RequestKey&), (override));
  MOCK_METHOD(absl::StatusOr<Image>, GetImage, (int64_t, const std::string&), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<Image>>, GetImages, (int64_t, const Strings&), (override));
  MOCK_METHOD(absl::StatusOr<domain::Page<Image>>, ListImages,
              (int64_t, const PageRequest&, std::optional<domain::ImageState>,
               std::optional<domain::ImageUse>),
              (override));
  MOCK_METHOD(absl::StatusOr<std::vector<LabeledImage>>, LabeledImages,
              (int64_t, domain::ImageUse, int64_t, int), (override));
  MOCK_METHOD(absl::StatusOr<std::vector<Image>>, UnlabeledImages, (int64_t, int64_t, int),
              (override));
  MOCK_METHOD(absl::Status, RejectImage, (int64_t, int64_t, const std::string&), (override));
};

}  // namespace mgral::test
