#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cycle/records.h"

// Readers of what release 0.1 left in the artifact folder before there was records.proto, as far as
// the cycle after it reads a published snapshot: its manifest (JSON) and, in a byte format of its
// own, its examples. Errors: DATA_LOSS.
namespace mgral::cycle {

// Never true of a Record.
bool IsLegacyRecord(absl::string_view bytes);

absl::StatusOr<Manifest> ParseLegacyManifest(absl::string_view bytes);
absl::StatusOr<CycleExamples> ParseLegacyExamples(absl::string_view bytes);

}  // namespace mgral::cycle
