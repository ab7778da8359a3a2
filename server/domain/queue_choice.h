#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/domain/batch.h"
#include "server/domain/pool.h"

// Which queue of a pool's published snapshot answers a query, and what the annotator is told of it.
// Pure functions: the batch store calls them within its transaction.
namespace mgral::domain {

struct PublishedQueues {
  bool published = false;               // false: no cycle has published yet
  std::vector<std::string> strategies;  // those that have a queue
  std::string note;                     // of the snapshot, e.g. why its queue is a cold start
};

// The strategy whose queue answers a query for `requested`: its own, else that of the cold start.
// Empty when neither has a queue: the images are then drawn at random.
std::string ChooseQueue(const PublishedQueues& queues, const std::string& requested);

// How a batch of `total` images came about, `from_queue` of them taken from the queue of `queue`.
struct BatchOrigin {
  std::string strategy;  // `queue` when it gave at least one of the images, else "random"
  std::string note;      // why that is not all that was requested; empty when it is
};
BatchOrigin DescribeOrigin(const PublishedQueues& queues, const std::string& requested,
                           const std::string& queue, int from_queue, int total);

// What labeling a batch costs, its images being expected to hold so many boxes each, as far as the
// snapshot knows; where it does not (nullopt), as many as the mean of the others. nullopt where it
// knows of none.
std::optional<double> EstimateCost(const LabelingCost& cost,
                                   const std::vector<std::optional<float>>& expected_boxes);

// FAILED_PRECONDITION "POOL_EXHAUSTED" on "size".
absl::Status PoolExhausted(int requested, int left);
// FAILED_PRECONDITION "LEASE_OVER" on "name"; `state` is not kLeased.
absl::Status LeaseOver(BatchState state);

}  // namespace mgral::domain
