#include <algorithm>
#include <stdexcept>
#include <utility>

#include "server/core/selector/labeling_price.h"
#include "server/core/selector/strategies.h"

namespace mgral::core {
namespace {

constexpr int64_t kPolicyBatches = 4;  // that the policy decodes; the rest is the table's order

}  // namespace

Ranking RankMgral(const RankInput& input) {
  if (!input.table) throw std::invalid_argument("table: mgral needs one");
  const int64_t images = input.candidates.images, n = std::min(input.limit, images);
  Ranking out;
  if (n == 0) return out;
  SelectorOptions options;
  options.batch_size = std::min(input.batch_size, images);
  options.seed = input.seed;
  options.price = LabelingPrices(input);
  // A price is that of the first batch.
  const int64_t batches = options.price.empty() ? kPolicyBatches : 1;
  options.queue_limit = std::min(n, batches * options.batch_size);
  Selection selection = SelectQueue(*input.table, input.candidates.embeddings, options,
                                    input.previous_policy, input.progress);
  out.policy = std::move(selection.policy);
  out.report = selection.queue.report;
  out.order = std::move(selection.queue.order);
  ContinueByGainLessPrice(input, n, &out.order);
  out.order.resize(n);
  return out;
}

}  // namespace mgral::core
