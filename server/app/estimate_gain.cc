#include "server/app/estimate_gain.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "server/app/external_detector.h"
#include "server/app/field_errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"

namespace mgral::app {

absl::StatusOr<GainEstimate> EstimateGain(domain::BatchStore* batches,
                                          domain::SelectionRuntime* runtime,
                                          const domain::Pool& pool,
                                          const std::vector<std::string>& image_ids) {
  MGRAL_RETURN_IF_ERROR(NeedsOwnDetector(pool, "EstimateGain", "parent"));
  if (image_ids.empty() || image_ids.size() > base::kMaxEstimateImages) {
    return base::InvalidField(
        "image_ids",
        absl::StrCat("has ", image_ids.size(), " images; give 1 to ", base::kMaxEstimateImages));
  }
  FieldErrors errors;
  std::set<std::string> seen;
  for (size_t i = 0; i < image_ids.size(); ++i) {
    std::string problem = ImageIdProblem(image_ids[i]);
    if (problem.empty() && !seen.insert(image_ids[i]).second) problem = "is repeated in the list";
    if (!problem.empty()) errors.Add(absl::StrCat("image_ids[", i, "]"), problem);
  }
  if (!errors.empty()) return errors.ToStatus();

  MGRAL_ASSIGN_OR_RETURN(const domain::BatchStore::TableLookup lookup,
                         batches->LookUp(pool.key, image_ids));
  std::vector<std::string> entries;
  for (const auto& image : lookup.images) entries.push_back(image.entry);
  MGRAL_ASSIGN_OR_RETURN(domain::Gain gain, runtime->EstimateGain(lookup.table, entries));
  return GainEstimate{std::move(gain), lookup.table_version, lookup.model_version};
}

}  // namespace mgral::app
