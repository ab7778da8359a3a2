#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/domain/labels.h"
#include "server/domain/request.h"

namespace mgral::domain {

// Labels, as revisions. Thread-safe; each call is one transaction.
class LabelStore {
 public:
  virtual ~LabelStore() = default;

  struct Ingested {
    int64_t ingested = 0;
    int64_t late = 0;
  };
  // Told of what was stored, after the commit and once, for the metrics.
  using Observer = std::function<void(const Ingested&)>;
  // All or none. Marks images LABELED (or REJECTED), completes batches whose images are all done.
  // A batch_id whose lease is over is accepted and flagged late. Boxes were validated before.
  // Errors: INVALID_ARGUMENT "labels[i].image_id" (not registered), "labels[i].batch" (unknown
  // batch, or the image is not in it).
  virtual absl::StatusOr<Ingested> IngestLabels(int64_t pool_key,
                                                absl::Span<const NewLabels> labels,
                                                const RequestKey& request) = 0;
  // The newest revision of each labeled image, by image.
  virtual absl::StatusOr<Page<Labels>> ListLabels(int64_t pool_key, const PageRequest& page) = 0;
};

}  // namespace mgral::domain
