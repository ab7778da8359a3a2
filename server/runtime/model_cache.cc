#include "server/runtime/model_cache.h"

namespace mgral::runtime {
namespace {

constexpr size_t kModels = 2;
constexpr size_t kTables = 8;

// Least recently used list: finds `key` or makes it, under the lock.
template <typename Value, typename Make>
Value FindOrMake(std::list<std::pair<std::string, Value>>* list, size_t limit,
                 const std::string& key, Make make) {
  for (auto it = list->begin(); it != list->end(); ++it) {
    if (it->first != key) continue;
    list->splice(list->begin(), *list, it);
    return it->second;
  }
  list->emplace_front(key, make());
  if (list->size() > limit) list->pop_back();
  return list->front().second;
}

}  // namespace

std::shared_ptr<const core::Detector> ModelCache::Get(const std::string& weights_path) {
  std::lock_guard<std::mutex> lock(mutex_);
  return FindOrMake(&models_, kModels, weights_path, [&] {
    core::Detector detector = core::Detector::Load(weights_path);
    detector.MoveTo(device_);
    return std::make_shared<const core::Detector>(std::move(detector));
  });
}

std::shared_ptr<const core::LookupTable> TableCache::Get(const std::string& bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return FindOrMake(&tables_, kTables, bytes, [&] {
    return std::make_shared<const core::LookupTable>(core::LookupTable::Parse(bytes));
  });
}

}  // namespace mgral::runtime
