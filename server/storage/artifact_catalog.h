#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

// The artifact folder as the database knows it: which artifacts are needed, by whom, and which may
// be deleted. For the operator's command; thread-safe.
class ArtifactCatalog {
 public:
  // `root` is the artifact folder of every process that uses the database.
  ArtifactCatalog(ConnectionPool& connections, std::string root);

  struct Entry {
    std::string sha256;
    int64_t bytes = 0;
    absl::Time modified;              // when it was last stored
    std::vector<std::string> owners;  // "pools/cats/models/3"; empty: nobody needs it
    bool missing = false;             // somebody needs it, and it is not there
  };
  // Ordered by sha256, what is missing too. Errors: as Prune's.
  absl::StatusOr<std::vector<Entry>> List();

  struct Pruned {
    std::vector<Entry> artifacts;
    int64_t temporary_files = 0, temporary_bytes = 0;
  };
  // Deletes the artifacts that nobody needs, and the leftovers of interrupted writes, unless they
  // were stored less than `older_than` ago; `dry_run` only says which.
  //
  // Safe beside servers and workers. An artifact is stored first and named in the database later,
  // so it is spared while it is young: `older_than` must be longer than that takes (a call of a
  // client; cycles name theirs at once), and longer than clocks differ. One that is stored again
  // becomes young again, under a lock (ArtifactLock). Deleting what an older copy of the database
  // refers to is not noticed: keep the artifacts of a backup with the backup.
  //
  // Errors: FAILED_PRECONDITION "UNKNOWN_REFERENCES" when the manifest of a snapshot from before
  // migration 003 cannot be read, so that what it names is not known; "WRONG_ARTIFACT_DIR" when
  // the folder is not marked as the database's (folder_mark.h); NOT_FOUND without a folder.
  absl::StatusOr<Pruned> Prune(absl::Duration older_than, bool dry_run);

 private:
  absl::Status CompleteReferences();

  ConnectionPool& connections_;
  const std::string root_;
};

}  // namespace mgral::storage
