#include "server/main/artifacts_command.h"

#include <iomanip>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/base/status_macros.h"
#include "server/main/options.h"
#include "server/storage/artifact_catalog.h"

namespace mgral::server {
namespace {

using storage::ArtifactCatalog;

// As short as a client's call may take until it has named what it stored.
constexpr absl::Duration kMinAge = absl::Hours(1);

std::string SizeText(int64_t bytes) {
  double size = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (size < 1024) break;
    size /= 1024;
    unit = larger;
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(unit[1] == '\0' ? 0 : 1) << size << " " << unit;
  return text.str();
}

std::string AgeText(absl::Duration age) {
  if (age >= absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(age) / 24, "d");
  if (age >= absl::Hours(1)) return absl::StrCat(absl::ToInt64Hours(age), "h");
  return absl::StrCat(absl::ToInt64Minutes(age), "m");
}

std::string CountText(int64_t count, const std::string& what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

void PrintEntry(const ArtifactCatalog::Entry& entry, std::ostream& out) {
  out << entry.sha256 << "  " << std::setw(10)
      << (entry.missing ? "missing" : SizeText(entry.bytes)) << "  " << std::setw(5)
      << (entry.missing ? "-" : AgeText(absl::Now() - entry.modified)) << "  "
      << (entry.owners.empty() ? "unreferenced" : absl::StrJoin(entry.owners, ", ")) << "\n";
}

absl::Status List(ArtifactCatalog* catalog, std::ostream& out) {
  MGRAL_ASSIGN_OR_RETURN(const auto entries, catalog->List());
  int64_t files = 0, bytes = 0, unreferenced = 0, unreferenced_bytes = 0, missing = 0;
  for (const ArtifactCatalog::Entry& entry : entries) {
    PrintEntry(entry, out);
    files += !entry.missing;
    bytes += entry.bytes;
    missing += entry.missing;
    unreferenced += entry.owners.empty();
    if (entry.owners.empty()) unreferenced_bytes += entry.bytes;
  }
  out << CountText(files, "artifact") << ", " << SizeText(bytes) << "; " << unreferenced
      << " unreferenced, " << SizeText(unreferenced_bytes) << "; " << missing << " missing\n";
  return absl::OkStatus();
}

absl::Status Prune(ArtifactCatalog* catalog, const ArtifactsArguments& arguments,
                   std::ostream& out) {
  MGRAL_ASSIGN_OR_RETURN(const auto pruned,
                         catalog->Prune(arguments.older_than, arguments.dry_run));
  int64_t bytes = 0;
  for (const ArtifactCatalog::Entry& entry : pruned.artifacts) {
    PrintEntry(entry, out);
    bytes += entry.bytes;
  }
  out << (arguments.dry_run ? "would delete " : "deleted ")
      << CountText(static_cast<int64_t>(pruned.artifacts.size()), "artifact") << ", "
      << SizeText(bytes) << ", and " << CountText(pruned.temporary_files, "temporary file") << ", "
      << SizeText(pruned.temporary_bytes) << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ArtifactsArguments> ReadArtifactsArguments(
    const std::string& action, const std::map<std::string, std::string>& flags) {
  ArtifactsArguments arguments;
  arguments.prune = action == "prune";
  if (!arguments.prune && action != "list") {
    return absl::InvalidArgumentError(
        "artifacts needs list or prune: mgral-server artifacts list|prune");
  }
  if (!arguments.prune && !flags.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("artifacts list takes no --", flags.begin()->first));
  }
  arguments.dry_run = flags.count("dry-run") > 0;
  const auto older_than = flags.find("older-than");
  if (older_than != flags.end() &&
      (!absl::ParseDuration(older_than->second, &arguments.older_than) ||
       arguments.older_than < kMinAge)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--older-than is \"", older_than->second, "\": must be a duration of at least ",
        absl::FormatDuration(kMinAge), ", e.g. 24h, so that files still being stored are kept"));
  }
  return arguments;
}

absl::Status RunArtifacts(const Options& options, const ArtifactsArguments& arguments,
                          std::ostream& out) {
  storage::ConnectionPool connections({options.database, 1, options.database_timeout});
  ArtifactCatalog catalog(connections, options.artifact_dir);
  return arguments.prune ? Prune(&catalog, arguments, out) : List(&catalog, out);
}

}  // namespace mgral::server
