#include "server/app/start_cycle.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::app {

absl::StatusOr<domain::Cycle> StartCycle(domain::PoolStore* pools, domain::CycleStore* cycles,
                                         domain::PredictionStore* predictions,
                                         const domain::Pool& pool, bool without_table,
                                         const domain::RequestKey& request) {
  using domain::ImageUse;
  MGRAL_ASSIGN_OR_RETURN(const auto training,
                         pools->LabeledImages(pool.key, ImageUse::kTraining, 0, 1));
  MGRAL_ASSIGN_OR_RETURN(const auto unlabeled, pools->UnlabeledImages(pool.key, 0, 1));
  const std::string name = absl::StrCat("pools/", pool.pool_id);
  if (training.empty() && unlabeled.empty()) {
    return base::FailedPrecondition(
        "POOL_EMPTY",
        absl::StrCat(name, " has no training images: register some with RegisterImages"), "parent");
  }
  if (pool.detector.external()) {
    MGRAL_ASSIGN_OR_RETURN(const auto set, predictions->FindSet(pool.key));
    if (set) return cycles->StartCycle(pool.key, without_table, request);
    return base::FailedPrecondition(
        "NO_PREDICTIONS",
        absl::StrCat("the detector of ", name,
                     " is external, and none of its predictions are here: put them with "
                     "PutPredictions"),
        "parent");
  }
  MGRAL_ASSIGN_OR_RETURN(const auto validation,
                         pools->LabeledImages(pool.key, ImageUse::kValidation, 0, 1));
  if (!training.empty() && validation.empty()) {
    return base::FailedPrecondition(
        "NO_VALIDATION",
        absl::StrCat(name,
                     " has labels to train on, but no labeled validation image to measure with: "
                     "reserve some with use=VALIDATION when you register or label them"),
        "parent");
  }
  return cycles->StartCycle(pool.key, without_table, request);
}

}  // namespace mgral::app
