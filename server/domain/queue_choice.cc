#include "server/domain/queue_choice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/domain/strategy.h"

namespace mgral::domain {
namespace {

std::string WhyAnotherQueue(const PublishedQueues& queues, const std::string& requested,
                            const std::string& queue) {
  if (!queues.published) return "no cycle has published yet";
  if (queue == NameOf(Strategy::kColdStart)) return "too few labels to train on";
  return absl::StrCat("the published snapshot has no queue of ", requested);
}

}  // namespace

std::string ChooseQueue(const PublishedQueues& queues, const std::string& requested) {
  const auto has_queue = [&](const std::string& strategy) {
    return std::find(queues.strategies.begin(), queues.strategies.end(), strategy) !=
           queues.strategies.end();
  };
  if (has_queue(requested)) return requested;
  const char* cold_start = NameOf(Strategy::kColdStart);
  if (requested != NameOf(Strategy::kRandom) && has_queue(cold_start)) return cold_start;
  return "";
}

BatchOrigin DescribeOrigin(const PublishedQueues& queues, const std::string& requested,
                           const std::string& queue, int from_queue, int total) {
  BatchOrigin origin;
  origin.strategy = from_queue > 0 ? queue : NameOf(Strategy::kRandom);
  if (requested == NameOf(Strategy::kRandom)) return origin;
  if (queue != requested) {
    origin.note = WhyAnotherQueue(queues, requested, queue);
    if (!queues.note.empty()) absl::StrAppend(&origin.note, " (", queues.note, ")");
  }
  if (!queue.empty() && from_queue < total) {
    absl::StrAppend(&origin.note, origin.note.empty() ? "" : "; ", total - from_queue, " of ",
                    total, " images are random: the queue has no more until the next cycle");
  }
  return origin;
}

std::optional<double> EstimateCost(const LabelingCost& cost,
                                   const std::vector<std::optional<float>>& expected_boxes) {
  double boxes = 0;
  int known = 0;
  for (const std::optional<float>& expected : expected_boxes) {
    if (!expected) continue;
    boxes += *expected;
    ++known;
  }
  if (known == 0) return std::nullopt;
  return expected_boxes.size() * (cost.per_image + cost.per_box * boxes / known);
}

absl::Status PoolExhausted(int requested, int left) {
  const std::string message =
      left == 0
          ? "no unlabeled images are left in the pool: register more, or wait for leases to end"
          : absl::StrCat("only ", left, " unlabeled images are left, ", requested,
                         " were requested: request fewer, or set allow_fewer");
  return base::FailedPrecondition("POOL_EXHAUSTED", message, "size");
}

absl::Status LeaseOver(BatchState state) {
  std::string message = "the lease has expired; labels for the batch are still accepted";
  if (state == BatchState::kCompleted) {
    message = "the lease is over: every image of the batch has labels";
  } else if (state == BatchState::kReleased) {
    message = "the lease is over: the batch was released";
  }
  return base::FailedPrecondition("LEASE_OVER", message, "name");
}

}  // namespace mgral::domain
