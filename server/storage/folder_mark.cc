#include "server/storage/folder_mark.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/base/status_macros.h"
#include "server/storage/artifact_folder.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

std::string MarkPath(const std::string& root) { return root + "/database"; }

absl::Status Unusable(const absl::Status& status) {
  return base::FailedPrecondition("ARTIFACT_DIR", std::string(status.message()), "artifact_dir");
}

absl::StatusOr<std::string> NameOfDatabase(ConnectionPool& connections) {
  return InTransaction(
      connections, Access::kRead, [](pqxx::work& tx) -> absl::StatusOr<std::string> {
        const pqxx::result rows =
            Exec(tx,
                 "SELECT 'cluster ' || system_identifier || ' database ' || "
                 "(SELECT oid FROM pg_database WHERE datname = current_database()) "
                 "AS name FROM pg_control_system()");
        return ReadText(rows[0]["name"]);
      });
}

// Empty for a folder without a mark.
absl::StatusOr<std::string> ReadMark(const std::string& root) {
  if (access(MarkPath(root).c_str(), F_OK) != 0 && errno == ENOENT) return std::string();
  const auto mark = base::ReadSmallFile(MarkPath(root));
  if (!mark.ok()) return Unusable(mark.status());
  return std::string(absl::StripAsciiWhitespace(*mark));
}

absl::Status WrongFolder(const std::string& root, const std::string& mark,
                         const std::string& name) {
  return base::FailedPrecondition(
      "WRONG_ARTIFACT_DIR",
      absl::StrCat("the artifact folder ", root, " belongs to PostgreSQL's ", mark,
                   ", and the option database names ", name,
                   ": give each database a folder of its own (a copy of a database needs a copy of "
                   "the folder's objects/). If the database was moved and nothing uses the old one "
                   "any more, delete ",
                   MarkPath(root)),
      "artifact_dir");
}

}  // namespace

absl::Status MarkArtifactFolder(ConnectionPool& connections, const std::string& root) {
  MGRAL_ASSIGN_OR_RETURN(const std::string name, NameOfDatabase(connections));
  // Of servers that start at once, one marks it.
  const ArtifactLock lock(root, ArtifactLock::Purpose::kDelete);
  if (!lock.status().ok()) return Unusable(lock.status());
  MGRAL_ASSIGN_OR_RETURN(const std::string mark, ReadMark(root));
  if (mark == name) return absl::OkStatus();
  if (!mark.empty()) return WrongFolder(root, mark, name);
  const absl::Status written = base::WriteFileAtomically(MarkPath(root), name + "\n");
  return written.ok() ? written : Unusable(written);
}

absl::Status CheckArtifactFolder(ConnectionPool& connections, const std::string& root) {
  MGRAL_ASSIGN_OR_RETURN(const std::string name, NameOfDatabase(connections));
  MGRAL_ASSIGN_OR_RETURN(const std::string mark, ReadMark(root));
  if (mark == name) return absl::OkStatus();
  if (!mark.empty()) return WrongFolder(root, mark, name);
  return base::FailedPrecondition(
      "WRONG_ARTIFACT_DIR",
      absl::StrCat("no server has used the artifact folder ", root,
                   " yet, so that it is not known to belong to the database: check the options "
                   "database and artifact_dir, and start a server with them"),
      "artifact_dir");
}

}  // namespace mgral::storage
