#include "server/core/detector/feature_cache.h"

namespace mgral::core {
namespace {

int64_t BytesOf(const ViewFeatures& features) {
  int64_t bytes = 0;
  for (const at::Tensor& level : features) bytes += static_cast<int64_t>(level.nbytes());
  return bytes;
}

}  // namespace

ViewFeatures MemoryFeatureCache::Find(const std::string& content, const std::string& view) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = index_.find({content, view});
  if (found == index_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->features;
}

void MemoryFeatureCache::Keep(const std::string& content, const std::string& view,
                              const ViewFeatures& features) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Key key(content, view);
  if (index_.count(key) > 0) return;
  entries_.push_front({key, features});
  index_[key] = entries_.begin();
  bytes_ += BytesOf(features);
  while (bytes_ > max_bytes_) {
    bytes_ -= BytesOf(entries_.back().features);
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace mgral::core
