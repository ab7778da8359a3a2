#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/domain/artifact_store.h"
#include "server/domain/cycle_store.h"

namespace mgral::cycle {

// Where a cycle keeps its checkpoint while it trains. The name is that of its inputs
// (CycleStore::FixInputs): no other cycle, in whatever database, resumes from it.
std::string WorkFolderName(const std::string& work_id);

// Removes the work folders of cycles that have ended, were deleted or are unknown to this database,
// and those of exports that were cut short, a day after they were last written to.
absl::Status SweepWorkFolders(domain::CycleStore* cycles, domain::ArtifactStore* artifacts);

}  // namespace mgral::cycle
