#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/artifact_store.h"
#include "server/domain/call_context.h"
#include "server/domain/cycle_store.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/pool.h"

namespace mgral::app {

// Takes a file of other people's weights in. Thread-safe.
class ImportWeights {
 public:
  ImportWeights(domain::CycleStore* cycles, domain::ArtifactStore* artifacts,
                domain::DetectorRuntime* runtime, int64_t max_bytes)
      : cycles_(cycles), artifacts_(artifacts), runtime_(runtime), max_bytes_(max_bytes) {}

  struct ClassLabel {
    std::string class_name;
    int64_t label = 0;  // of that class in the file
  };
  struct Header {
    std::string file_name;
    int64_t size_bytes = 0;
    std::string sha256;  // empty: not checked
    std::vector<ClassLabel> class_labels;
  };
  struct Result {
    domain::Model model;
    domain::DetectorRuntime::ImportReport report;
    bool classes_mapped = false;  // the class head's rows are those of `class_labels`
  };
  // The next piece of the file; false when there are no more.
  using NextPiece = std::function<absl::StatusOr<bool>(absl::string_view* piece)>;

  // Nothing is stored unless the whole file has come and fits; a process that is killed leaves
  // nothing of it. A repeated call gives the report again and the model as it is. Errors:
  // FAILED_PRECONDITION "EXTERNAL_DETECTOR"; INVALID_ARGUMENT on "file_name", "size_bytes",
  // "sha256", "class_labels", "data"; those of `next`; RESOURCE_EXHAUSTED on a full disk; those of
  // CycleStore::ImportModel.
  absl::StatusOr<Result> Run(const domain::CallContext& call, const domain::Pool& pool,
                             const Header& header, const NextPiece& next,
                             const domain::RequestKey& request);

 private:
  domain::CycleStore* cycles_;
  domain::ArtifactStore* artifacts_;
  domain::DetectorRuntime* runtime_;
  const int64_t max_bytes_;
};

}  // namespace mgral::app
