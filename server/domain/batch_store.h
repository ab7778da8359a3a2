#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/domain/batch.h"
#include "server/domain/pool.h"
#include "server/domain/request.h"

namespace mgral::domain {

// Leased batches. Thread-safe; each call is one transaction. Leases are measured in database time;
// a lease that is over counts as over at once, whether or not RunMaintenance has run.
class BatchStore {
 public:
  virtual ~BatchStore() = default;

  // What a call did, reported once, after its commit, for the metrics. LeaseBatch too ends leases
  // that are over.
  struct Events {
    int64_t granted = 0;  // batches
    int64_t expired = 0;
  };
  using Observer = std::function<void(const Events&)>;

  // What a published snapshot says of one image.
  struct TableImage {
    int64_t image_key = 0;
    std::string image_id;
    int cell = -1;
    std::string entry;  // bytes of the runtime's table entry (server/domain/selection_runtime.h)
  };
  // Called within the leasing transaction with the chosen images; pure arithmetic, no I/O.
  using Estimator =
      std::function<absl::StatusOr<Gain>(const std::string& table, const std::vector<TableImage>&)>;

  struct LeaseRequest {
    int64_t pool_key = 0;
    int size = 0;
    std::string strategy;
    absl::Duration lease;
    std::string annotator;
    bool allow_fewer = false;
    LabelingCost cost;
    RequestKey request;
  };
  // Takes the first `size` unlabeled training images of the published queue of that strategy, then,
  // as "random", images that the queue doesn't hold. No image is ever in two live leases.
  // Batch.strategy is what was really used, strategy_note why it differs (queue_choice.h).
  // Errors: FAILED_PRECONDITION "POOL_EXHAUSTED" (field "size") when fewer images are left than
  // asked (none, with allow_fewer).
  virtual absl::StatusOr<Batch> LeaseBatch(const LeaseRequest& request,
                                           const Estimator& estimator) = 0;
  virtual absl::StatusOr<Batch> GetBatch(int64_t pool_key, const std::string& batch_id) = 0;
  // Newest first, without predictions.
  virtual absl::StatusOr<Page<Batch>> ListBatches(int64_t pool_key, const PageRequest& page,
                                                  std::optional<BatchState> state) = 0;
  // Errors: FAILED_PRECONDITION "LEASE_OVER".
  virtual absl::StatusOr<Batch> RenewBatch(int64_t pool_key, const std::string& batch_id,
                                           absl::Duration lease) = 0;
  virtual absl::StatusOr<Batch> ReleaseBatch(int64_t pool_key, const std::string& batch_id) = 0;
  // To be called every few seconds, by any number of processes: returns the images of leases that
  // are over to their pools, and tidies what the store keeps for itself. The number of batches
  // expired.
  virtual absl::StatusOr<int64_t> RunMaintenance() = 0;

  // The published snapshot's table entries of these images, for EstimateGain. Errors:
  // FAILED_PRECONDITION "NO_TABLE"; INVALID_ARGUMENT "image_ids[i]" for an image that the snapshot
  // does not know.
  struct TableLookup {
    std::string table;
    int64_t table_version = 0;
    int64_t model_version = 0;
    std::vector<TableImage> images;
  };
  virtual absl::StatusOr<TableLookup> LookUp(int64_t pool_key,
                                             const std::vector<std::string>& image_ids) = 0;
};

}  // namespace mgral::domain
