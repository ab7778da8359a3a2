#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/storage/connection_pool.h"

// One artifact folder belongs to one database. What sweeps and prunes a folder deletes what its
// database does not know, so with another database, even a copy of the right one, it would delete
// what is needed. The file <root>/database says which one it is: the system identifier of the
// PostgreSQL cluster and the database's OID, which a copy made from a dump does not share. (One
// made of the cluster's files does.)
namespace mgral::storage {

// Marks a folder that has no mark as the database's; for a server that starts. Errors:
// FAILED_PRECONDITION "WRONG_ARTIFACT_DIR" when the folder is another database's, with both names
// and what to do; "ARTIFACT_DIR" when the mark cannot be read or written.
absl::Status MarkArtifactFolder(ConnectionPool& connections, const std::string& root);

// The same for whoever deletes: a folder without a mark is not the database's either.
absl::Status CheckArtifactFolder(ConnectionPool& connections, const std::string& root);

}  // namespace mgral::storage
