#include "server/cycle/work_folder.h"

#include <unordered_set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace mgral::cycle {
namespace {

constexpr char kPrefix[] = "cycle-";
// A copy of the database that is used with the same folder by mistake does not know the cycles that
// began since: those that save checkpoints keep them.
constexpr absl::Duration kUntouchedFor = absl::Hours(24);

}  // namespace

std::string WorkFolderName(const std::string& work_id) { return absl::StrCat(kPrefix, work_id); }

absl::Status SweepWorkFolders(domain::CycleStore* cycles, domain::ArtifactStore* artifacts) {
  // In this order: an id is fixed before its folder is made.
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                         artifacts->WorkFolders(kUntouchedFor));
  if (folders.empty()) return absl::OkStatus();
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> ids, cycles->LiveWorkIds());
  std::unordered_set<std::string> live;
  for (const std::string& id : ids) live.insert(WorkFolderName(id));
  for (const std::string& name : folders) {
    const bool of_cycle = absl::StartsWith(name, kPrefix) && live.count(name) == 0;
    if (!of_cycle && !absl::StartsWith(name, domain::kExportFolderPrefix)) continue;
    MGRAL_RETURN_IF_ERROR(artifacts->RemoveWorkFolder(name));
  }
  return absl::OkStatus();
}

}  // namespace mgral::cycle
