#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/app/export_labels.h"
#include "server/domain/artifact_store.h"
#include "server/domain/call_context.h"
#include "server/domain/cycle_store.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/pool.h"

namespace mgral::app {

// Hands a trained model out, to be used elsewhere. Thread-safe.
class ExportModel {
 public:
  // `mgral_version` is named in what is exported.
  ExportModel(domain::CycleStore* cycles, domain::ArtifactStore* artifacts,
              domain::DetectorRuntime* runtime, std::string mgral_version)
      : cycles_(cycles),
        artifacts_(artifacts),
        runtime_(runtime),
        mgral_version_(std::move(mgral_version)) {}

  struct Header {
    int64_t version = 0;      // of the model
    std::string description;  // JSON: see docs/reference/api.md, ExportModelResponse
    int64_t size_bytes = 0;   // of the file that follows
  };
  // Calls `begin` once, then `write` with the pieces of the safetensors file, of at most 1 MiB. The
  // same model gives the same bytes. `version`: nullopt for the published model. Errors: those of
  // FindModel and NeedsOwnDetector, DATA_LOSS for weights that are gone or damaged,
  // RESOURCE_EXHAUSTED on a full disk, CANCELLED when `begin` or `write` gives false, the call's
  // own.
  absl::Status Run(const domain::CallContext& call, const domain::Pool& pool,
                   std::optional<int64_t> version, const std::function<bool(const Header&)>& begin,
                   const WriteChunk& write);

 private:
  domain::CycleStore* cycles_;
  domain::ArtifactStore* artifacts_;
  domain::DetectorRuntime* runtime_;
  const std::string mgral_version_;
};

// Publishes the snapshot of an earlier model again, whose weights are there. Errors: those of
// CycleStore::Rollback; DATA_LOSS for weights that are gone or damaged.
absl::StatusOr<domain::Model> RollbackModel(domain::CycleStore* cycles,
                                            domain::ArtifactStore* artifacts, int64_t pool_key,
                                            int64_t version, const domain::RequestKey& request);

}  // namespace mgral::app
