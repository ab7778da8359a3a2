#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/box_input.h"
#include "server/app/item_errors.h"
#include "server/domain/image_loader.h"
#include "server/domain/label_store.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

struct LabelsInput {
  std::string image_id;
  std::vector<BoxInput> boxes;
  std::string reject_reason;
  std::optional<domain::ImageUse> use;
  std::string batch_id;
  absl::Status problem;  // what was found wrong with it when it was read, e.g. on "batch"
};

// Validates labels and stores them. Thread-safe.
class IngestLabels {
 public:
  // `threads`: of one call, to read the sizes of its images with.
  IngestLabels(domain::PoolStore* pools, domain::LabelStore* labels, domain::ImageLoader* loader,
               int threads)
      : pools_(pools), labels_(labels), loader_(loader), threads_(threads) {}

  // All or none. Errors: INVALID_ARGUMENT on "labels[i]..." with up to FieldErrors::kMax
  // violations.
  absl::StatusOr<domain::LabelStore::Ingested> IngestAll(const domain::CallContext& call,
                                                         const domain::Pool& pool,
                                                         absl::Span<const LabelsInput> labels,
                                                         const domain::RequestKey& request);

  struct Chunk {
    domain::LabelStore::Ingested counts;
    std::vector<Refusal> refused;  // by index
  };
  // Stores those that are valid and reports the others. Other errors (UNAVAILABLE, ...) fail
  // the chunk, of which nothing is stored then.
  absl::StatusOr<Chunk> IngestValid(const domain::CallContext& call, const domain::Pool& pool,
                                    absl::Span<const LabelsInput> labels);

 private:
  struct Examined {
    domain::NewLabels labels;
    absl::Status status;
  };
  absl::StatusOr<std::vector<Examined>> Examine(const domain::CallContext& call,
                                                const domain::Pool& pool,
                                                absl::Span<const LabelsInput> labels);

  domain::PoolStore* pools_;
  domain::LabelStore* labels_;
  domain::ImageLoader* loader_;
  const int threads_;
};

}  // namespace mgral::app
