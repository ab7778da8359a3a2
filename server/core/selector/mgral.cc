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
  options.queue_limit = std::min(n, kPolicyBatches * options.batch_size);
  options.seed = input.seed;
  options.price = LabelingPrices(input);
  Selection selection = SelectQueue(*input.table, input.candidates.embeddings, options,
                                    input.previous_policy, input.progress);
  out.policy = std::move(selection.policy);
  out.report = selection.queue.report;
  out.order = std::move(selection.queue.order);
  const int64_t rest = n - static_cast<int64_t>(out.order.size());
  if (rest > 0) {
    const std::vector<int64_t> more = ContinueLookupGreedy(
        *input.table, out.order, rest, options.price.empty() ? nullptr : options.price.data());
    out.order.insert(out.order.end(), more.begin(), more.end());
  }
  out.order.resize(n);
  return out;
}

}  // namespace mgral::core
