#pragma once

// Inside of server/storage only: the table artifact_reference (migration 003 says whose rows there
// are).

#include <string>
#include <vector>

#include "server/storage/transaction.h"

namespace mgral::storage {

// The cycle needs these artifacts until it ends. The caller has locked its job.
void KeepForCycle(pqxx::work& tx, int64_t pool_key, int64_t cycle_key,
                  const std::vector<std::string>& sha256s);

// The next cycle of the pool needs these of the snapshot, which is published, or else those of the
// snapshot before; none of older ones. An empty string is no artifact.
void KeepForSnapshot(pqxx::work& tx, int64_t pool_key, int64_t snapshot_key,
                     const std::vector<std::string>& sha256s);

// A published snapshot that was stored by a release that recorded no references of manifests.
struct IncompleteSnapshot {
  int64_t key = 0;
  int64_t pool_key = 0;
  std::string pool_id;
  std::string manifest_sha256;
};
std::vector<IncompleteSnapshot> IncompleteSnapshots(pqxx::work& tx);
// Records what its manifest names, unless it was replaced in the meantime.
void CompleteSnapshot(pqxx::work& tx, const IncompleteSnapshot& snapshot,
                      const std::vector<std::string>& named);

// Every artifact that is needed, once.
std::vector<std::string> NeededArtifacts(pqxx::work& tx);

// Who needs an artifact: of each pool and kind of owner one, and how many there are.
struct ArtifactOwners {
  std::string sha256;
  std::string
      resource;  // "pools/cats/images/cat-7", "pools/cats/models/3" or "pools/cats/cycles/4"
  int64_t owners = 0;
};
// In the order of `sha256`.
std::vector<ArtifactOwners> OwnersOfArtifacts(pqxx::work& tx);

}  // namespace mgral::storage
