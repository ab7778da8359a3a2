#pragma once

#include <map>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mgral::server {

struct Options;

// mgral-server artifacts list | prune [--dry-run] [--older-than=DURATION]
struct ArtifactsArguments {
  bool prune = false;  // else list
  bool dry_run = false;
  absl::Duration older_than = absl::Hours(24);
};

// `action` is what follows "artifacts", `flags` are those of this command. Errors:
// INVALID_ARGUMENT.
absl::StatusOr<ArtifactsArguments> ReadArtifactsArguments(
    const std::string& action, const std::map<std::string, std::string>& flags);

// Prints one artifact a line, then the sums. The database has this program's schema. Errors: as
// storage::ArtifactCatalog's.
absl::Status RunArtifacts(const Options& options, const ArtifactsArguments& arguments,
                          std::ostream& out);

}  // namespace mgral::server
