#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mgral::core {

// What a frozen trunk makes of one view of one image (ViewOf): of each level from C`min_level` a
// half [h, w, C], contiguous, on the CPU.
using ViewFeatures = std::vector<at::Tensor>;

// Keeps the features of one trunk for one input size. Calls may come from several threads at once.
// What it hands out is shared and must not be written to.
class FeatureCache {
 public:
  virtual ~FeatureCache() = default;
  // `content` is Sample::content, `view` what ViewName calls it. Empty: not there.
  virtual ViewFeatures Find(const std::string& content, const std::string& view) = 0;
  // May keep it or not; what goes wrong in keeping is no error.
  virtual void Keep(const std::string& content, const std::string& view,
                    const ViewFeatures& features) = 0;
};

// In memory, the least recently used dropped beyond a number of bytes.
class MemoryFeatureCache : public FeatureCache {
 public:
  explicit MemoryFeatureCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  ViewFeatures Find(const std::string& content, const std::string& view) override;
  void Keep(const std::string& content, const std::string& view,
            const ViewFeatures& features) override;

 private:
  using Key = std::pair<std::string, std::string>;
  struct Entry {
    Key key;
    ViewFeatures features;
  };

  const int64_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::map<Key, std::list<Entry>::iterator> index_;
  int64_t bytes_ = 0;
};

}  // namespace mgral::core
