#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mgral::domain {

// Work folders of exports and imports are called so, with something random behind; they last as
// long as a file is written.
inline constexpr char kExportFolderPrefix[] = "export-";

// A file that comes in piece by piece and has no name: nothing is left of it once this object is
// gone, or the process, however it ends. For one thread.
class Upload {
 public:
  virtual ~Upload() = default;
  // RESOURCE_EXHAUSTED when the disk is full.
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Where to read it from, in this process.
  virtual std::string path() const = 0;
  // Of what came so far, in hexadecimal digits; nothing is appended afterwards.
  virtual std::string Sha256() = 0;
};

// Content-addressed files: weights, embeddings, images that were sent as bytes. A file is written,
// fsynced, renamed to its SHA-256; the same content is stored once. It is kept as long as the
// database refers to it, so whoever stores one says soon what needs it: the row that names it
// (images, models), CycleStore::KeepArtifacts or Publish. One that nobody needs may be deleted an
// hour after it was last stored. Thread-safe, also across processes that share the folder. Errors
// may be shown to clients: they name an artifact by its hash.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  // The SHA-256 in hexadecimal digits. RESOURCE_EXHAUSTED when the disk is full.
  virtual absl::StatusOr<std::string> Put(absl::string_view bytes) = 0;
  // Takes over the file at `path` (moved when on the same file system).
  virtual absl::StatusOr<std::string> PutFile(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<Upload>> NewUpload() = 0;
  // The content. DATA_LOSS, which names the hash, when it is missing or was changed.
  virtual absl::StatusOr<std::string> Get(const std::string& sha256) = 0;
  // The file with that content. Errors: as Get's. The content is checked once per process, and
  // again when the file has been touched since: as often as weights are loaded, not as often as the
  // loaded ones are used.
  virtual absl::StatusOr<std::string> PathOf(const std::string& sha256) = 0;
  // A folder for unfinished work of this name (checkpoints), made if it isn't there; kept across
  // restarts until removed.
  virtual absl::StatusOr<std::string> WorkFolder(const std::string& name) = 0;
  virtual absl::Status RemoveWorkFolder(const std::string& name) = 0;
  // The names of those that there are and in which no file was made or replaced for
  // `untouched_for`.
  virtual absl::StatusOr<std::vector<std::string>> WorkFolders(absl::Duration untouched_for) = 0;
};

}  // namespace mgral::domain
