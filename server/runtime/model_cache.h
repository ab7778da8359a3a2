#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "server/core/detector/detector.h"
#include "server/core/lookup/table.h"

namespace mgral::runtime {

// Detectors that Predict used last, by the path of their weights (whose content never changes: it
// is an artifact). Thread-safe.
class ModelCache {
 public:
  // The detectors are on `device`.
  explicit ModelCache(c10::Device device) : device_(device) {}

  // Throws as core::Detector::Load and MoveTo.
  std::shared_ptr<const core::Detector> Get(const std::string& weights_path);

 private:
  const c10::Device device_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const core::Detector>>> models_;
};

// Parsed tables by their bytes, without their images. Thread-safe.
class TableCache {
 public:
  // Throws std::invalid_argument for bytes that are no table.
  std::shared_ptr<const core::LookupTable> Get(const std::string& bytes);

 private:
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const core::LookupTable>>> tables_;
};

}  // namespace mgral::runtime
