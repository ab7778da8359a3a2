#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mgral::domain {

// Content-addressed files: weights, embeddings, images that were sent as bytes. A file is written,
// fsynced, renamed to its SHA-256; the same content is stored once. Thread-safe, also across
// processes that share the folder.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  // The SHA-256 in hexadecimal digits. RESOURCE_EXHAUSTED when the disk is full.
  virtual absl::StatusOr<std::string> Put(absl::string_view bytes) = 0;
  // Takes over the file at `path` (moved when on the same file system).
  virtual absl::StatusOr<std::string> PutFile(const std::string& path) = 0;
  // A readable file with that content. NOT_FOUND; DATA_LOSS when Get finds that it was changed.
  virtual absl::StatusOr<std::string> PathOf(const std::string& sha256) = 0;
  virtual absl::StatusOr<std::string> Get(const std::string& sha256) = 0;
  // A folder for unfinished work of this name (checkpoints), made if it isn't there; kept across
  // restarts until removed.
  virtual absl::StatusOr<std::string> WorkFolder(const std::string& name) = 0;
  virtual absl::Status RemoveWorkFolder(const std::string& name) = 0;
};

}  // namespace mgral::domain
