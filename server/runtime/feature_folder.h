#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "server/core/detector/detector.h"
#include "server/core/detector/feature_cache.h"

namespace mgral::runtime {

// Features of images on disk, so that a frozen trunk sees each image once, whatever process trains:
// one file per image, trunk and view, named by a hash of all three and closed with a hash of its
// own content. Several processes may share the folder. Used files are newer than unused ones; the
// oldest go first when there are more bytes than allowed. What the memory holds is found without
// the disk. Nothing here is an error: what cannot be read or written is computed. Thread-safe.
class FeatureFolder {
 public:
  // `path` is made when something is kept. `max_bytes` 0: nothing is kept on disk; an empty path
  // likewise.
  FeatureFolder(std::string path, int64_t max_bytes, int64_t max_memory_bytes);

  // What is kept when there is no room.
  enum class Room {
    kMake,   // images that are used again and again: others go
    kLeave,  // one pass over a whole pool: it would only drive out what it comes to next
  };
  // The features of that detector's trunk. Must not outlive the folder.
  std::unique_ptr<core::FeatureCache> Of(const core::Detector& detector, Room room);

 private:
  class View;

  std::string PathOf(const std::string& key) const;
  core::ViewFeatures Read(const std::string& key);
  void Write(const std::string& key, const core::ViewFeatures& features, Room room);
  // Deletes the oldest files until nine tenths of the bytes allowed are used, and counts.
  void MakeRoom();

  const std::string path_;
  const int64_t max_bytes_;
  core::MemoryFeatureCache memory_;
  std::mutex mutex_;
  int64_t bytes_ = -1;  // on disk, as far as this process knows; -1: not counted yet
};

}  // namespace mgral::runtime
