#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cycle/records.h"

// Readers of what release 0.1 left in the artifact folder before there was records.proto, as far as
// a published snapshot refers to it: its manifest (JSON) and, in byte formats of their own, its
// signals and examples. A pool's manifests name the signals of all its earlier cycles, so they
// are needed for as long as such a pool lives. Errors: DATA_LOSS.
namespace mgral::cycle {

// Never true of a Record.
bool IsLegacyRecord(absl::string_view bytes);

absl::StatusOr<Manifest> ParseLegacyManifest(absl::string_view bytes);
absl::StatusOr<std::vector<domain::ImageSignals>> ParseLegacySignals(absl::string_view bytes);
absl::StatusOr<CycleExamples> ParseLegacyExamples(absl::string_view bytes);

}  // namespace mgral::cycle
