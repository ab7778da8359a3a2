#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/domain/pool_store.h"

namespace mgral::test {

// Pools and images in memory, as far as use cases need them. Tests fill and read the members.
class FakePoolStore : public domain::PoolStore {
 public:
  absl::StatusOr<domain::Pool> CreatePool(const domain::Pool& pool,
                                          const domain::RequestKey& request) override {
    last_request = request;
    pools[pool.pool_id] = pool;
    return pool;
  }
  absl::StatusOr<domain::Pool> GetPool(const std::string& pool_id) override {
    const auto found = pools.find(pool_id);
    if (found == pools.end()) return base::NotFound("pool", "pools/" + pool_id);
    return found->second;
  }
  // All on one page.
  absl::StatusOr<domain::Page<domain::Pool>> ListPools(const domain::PageRequest&,
                                                       const domain::PoolScope& scope) override {
    domain::Page<domain::Pool> page;
    for (const auto& [pool_id, pool] : pools) {
      if (scope.Contains(pool_id)) page.items.push_back(pool);
    }
    return page;
  }
  absl::Status DeletePool(const std::string& pool_id, bool) override {
    if (pools.erase(pool_id) == 0) return base::NotFound("pool", "pools/" + pool_id);
    return absl::OkStatus();
  }

  absl::StatusOr<Registered> RegisterImages(int64_t, absl::Span<const domain::NewImage> rows,
                                            const domain::RequestKey& request) override {
    last_request = request;
    ++register_calls;
    if (!register_status.ok()) return register_status;
    // Only the first conflict, as the contract allows.
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto found = images.find(rows[i].image_id);
      if (found != images.end() && found->second.source.location != rows[i].source.location) {
        return base::WithFields(base::AlreadyExists("image", rows[i].image_id, "another source"),
                                {{absl::StrCat("images[", i, "].image_id"), "another source"}});
      }
    }
    Registered counts;
    for (const domain::NewImage& row : rows) {
      if (images.count(row.image_id) > 0) {
        ++counts.existing;
        continue;
      }
      ++counts.registered;
      Add(row.image_id, row.source, row.width, row.height, row.use);
    }
    return counts;
  }
  absl::StatusOr<domain::Image> GetImage(int64_t, const std::string& image_id) override {
    const auto found = images.find(image_id);
    if (found == images.end()) return base::NotFound("image", image_id);
    return found->second;
  }
  absl::StatusOr<std::vector<domain::Image>> GetImages(
      int64_t, const std::vector<std::string>& ids) override {
    std::vector<domain::Image> found;
    for (const std::string& id : ids) {
      if (images.count(id) > 0) found.push_back(images[id]);
    }
    return found;
  }
  // All on one page.
  absl::StatusOr<domain::Page<domain::Image>> ListImages(
      int64_t, const domain::PageRequest&, std::optional<domain::ImageState> state,
      std::optional<domain::ImageUse> use) override {
    domain::Page<domain::Image> page;
    for (const auto& [id, image] : images) {
      if (state.value_or(image.state) != image.state || use.value_or(image.use) != image.use) {
        continue;
      }
      page.items.push_back(image);
    }
    return page;
  }
  absl::StatusOr<std::vector<LabeledImage>> LabeledImages(int64_t, domain::ImageUse use,
                                                          int64_t after_key, int limit) override {
    std::vector<LabeledImage> page;
    for (const LabeledImage& one : labeled) {
      const bool wanted = one.image.use == use && one.image.key > after_key;
      if (wanted && static_cast<int>(page.size()) < limit) page.push_back(one);
    }
    return page;
  }
  absl::StatusOr<std::vector<domain::Image>> UnlabeledImages(int64_t, int64_t after_key,
                                                             int limit) override {
    std::vector<domain::Image> page;
    for (const auto& [id, image] : images) {
      const bool wanted = image.use == domain::ImageUse::kTraining && image.key > after_key;
      if (wanted && static_cast<int>(page.size()) < limit) page.push_back(image);
    }
    return page;
  }
  absl::Status RejectImage(int64_t image_key, int64_t label_revision,
                           const std::string& reason) override {
    for (auto& [id, image] : images) {
      if (image.key != image_key || image.label_revision != label_revision) continue;
      image.state = domain::ImageState::kRejected;
      image.reject_reason = reason;
    }
    return absl::OkStatus();
  }

  void Add(const std::string& image_id, const domain::ImageSource& source, int width, int height,
           domain::ImageUse use = domain::ImageUse::kTraining) {
    domain::Image image;
    image.key = static_cast<int64_t>(images.size()) + 1;
    image.image_id = image_id;
    image.source = source;
    image.width = width;
    image.height = height;
    image.use = use;
    images[image_id] = image;
  }

  std::map<std::string, domain::Pool> pools;
  std::map<std::string, domain::Image> images;
  std::vector<LabeledImage> labeled;  // by ascending key
  absl::Status register_status;
  domain::RequestKey last_request;
  int register_calls = 0;
};

}  // namespace mgral::test
