#include "server/app/query_batch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/app/external_detector.h"
#include "server/app/field_errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"
#include "server/domain/strategy.h"

namespace mgral::app {

std::string LeaseProblem(absl::Duration lease) {
  if (lease >= absl::Seconds(base::kMinLeaseSeconds) &&
      lease <= absl::Seconds(base::kMaxLeaseSeconds)) {
    return "";
  }
  return absl::StrCat("is ", absl::FormatDuration(lease), "; it must be from 1 second to 7 days");
}

absl::StatusOr<domain::Batch> QueryBatch::Run(const domain::Pool& pool, const BatchQuery& query,
                                              const domain::RequestKey& request) {
  FieldErrors errors;
  if (query.size < 1 || query.size > base::kMaxQuerySize) {
    errors.Add("size",
               absl::StrCat("is ", query.size, "; it must be from 1 to ", base::kMaxQuerySize));
  }
  if (!query.strategy.empty() && !domain::IsSelectableStrategy(query.strategy)) {
    errors.Add("strategy", absl::StrCat("unknown strategy ", base::Quoted(query.strategy),
                                        ": use one of ", domain::SelectableStrategies()));
  }
  const absl::Duration lease = query.lease.value_or(absl::Seconds(base::kDefaultLeaseSeconds));
  const std::string lease_problem = LeaseProblem(lease);
  if (!lease_problem.empty()) errors.Add("lease_duration", lease_problem);
  const std::string annotator_problem = TextProblem(query.annotator, base::kMaxTextBytes);
  if (!annotator_problem.empty()) errors.Add("annotator", annotator_problem);
  if (!errors.empty()) return errors.ToStatus();
  MGRAL_RETURN_IF_ERROR(CheckStrategyFor(pool, query.strategy, "strategy"));

  domain::BatchStore::LeaseRequest lease_request;
  lease_request.pool_key = pool.key;
  lease_request.size = query.size;
  lease_request.strategy = query.strategy.empty() ? pool.selection.strategy : query.strategy;
  lease_request.lease = lease;
  lease_request.annotator = query.annotator;
  lease_request.allow_fewer = query.allow_fewer;
  lease_request.cost = pool.selection.cost();
  lease_request.request = request;
  return batches_->LeaseBatch(
      lease_request,
      [this](const std::string& table, const std::vector<domain::BatchStore::TableImage>& images) {
        std::vector<std::string> entries;
        entries.reserve(images.size());
        for (const auto& image : images) entries.push_back(image.entry);
        return runtime_->EstimateGain(table, entries);
      });
}

std::string ReasonFor(const domain::Batch& batch, const domain::BatchImage& image,
                      const std::vector<std::string>& classes) {
  if (image.uniform) return "drawn at random: keeps later measurements unbiased";
  if (image.cell >= 0 && image.expected_gain.size() == classes.size() && !classes.empty()) {
    const auto best = std::max_element(image.expected_gain.begin(), image.expected_gain.end());
    return absl::StrFormat("cell %d; on its own it should change the AP of %s most (%+.4f)",
                           image.cell, classes[best - image.expected_gain.begin()], *best);
  }
  if (!batch.model_version) return "chosen at random: there is no model yet";
  const auto strategy = domain::StrategyNamed(batch.strategy);
  if (strategy && *domain::InfoOf(*strategy).reason != '\0') {
    return domain::InfoOf(*strategy).reason;
  }
  return "newer than the snapshot: chosen at random";
}

}  // namespace mgral::app
