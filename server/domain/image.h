#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

// Plain data shared by every part. `key` is the database's own number of a row and never leaves the
// server; `*_id` is the last segment of a resource name.
namespace mgral::domain {

enum class ImageState { kUnlabeled = 1, kLeased = 2, kLabeled = 3, kRejected = 4 };

enum class ImageUse { kTraining = 1, kValidation = 2 };

// Where the bytes of an image are. kArtifact: `location` is the SHA-256 of bytes that were sent
// with the registration and lie in the ArtifactStore.
struct ImageSource {
  enum class Kind { kPath = 1, kUri = 2, kArtifact = 3 };
  Kind kind = Kind::kPath;
  std::string location;
  bool oriented = false;  // its EXIF orientation is applied, by Pool::applies_exif_orientation
};

struct NewImage {
  std::string image_id;
  ImageSource source;
  ImageUse use = ImageUse::kTraining;
  int width = 0, height = 0;  // 0: not looked at yet
  std::string note;           // as ImageHeader::note
};

struct Image {
  int64_t key = 0;
  std::string image_id;
  ImageSource source;
  ImageState state = ImageState::kUnlabeled;
  ImageUse use = ImageUse::kTraining;
  int width = 0, height = 0;
  std::string reject_reason;
  std::string note;  // as ImageHeader::note, when it was registered
  absl::Time create_time;
  int64_t label_revision = 0;
};

}  // namespace mgral::domain
