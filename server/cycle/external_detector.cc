#include "server/cycle/external_detector.h"

#include <functional>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace mgral::cycle {
namespace {

using domain::ImageSignals;
using domain::ImageUse;

// Images per shard, and per reading of the database.
constexpr int kPredictionsPage = 500;

absl::Status Replaced(const std::string& model) {
  return base::FailedPrecondition("PREDICTIONS_REPLACED",
                                  absl::StrCat("the predictions of ", model,
                                               " were replaced by another model's while the cycle "
                                               "began: start another cycle"));
}

// Every page of the predictions for images of that use, as long as nobody replaces them.
absl::Status ForEachPage(const StageContext& stage, const ExternalPredictions& predictions,
                         ImageUse use,
                         const std::function<absl::Status(std::vector<ImageSignals>)>& visit) {
  domain::PredictionStore* const store = stage.ports.predictions;
  for (int64_t after = 0;;) {
    if (stage.progress && !stage.progress(0)) {
      return absl::CancelledError("the work was asked to stop");
    }
    MGRAL_ASSIGN_OR_RETURN(std::vector<ImageSignals> page,
                           store->Predictions(predictions.set_key, use, after, kPredictionsPage));
    if (page.empty()) break;
    after = page.back().image_key;
    MGRAL_RETURN_IF_ERROR(visit(std::move(page)));
  }
  MGRAL_ASSIGN_OR_RETURN(const auto set, store->FindSet(stage.job.pool_key));
  return set && set->key == predictions.set_key ? absl::OkStatus() : Replaced(predictions.model);
}

}  // namespace

absl::Status GatherPredictions(const StageContext& stage, CycleInputs* inputs) {
  MGRAL_ASSIGN_OR_RETURN(const auto set, stage.ports.predictions->FindSet(stage.job.pool_key));
  if (!set) {
    return base::FailedPrecondition("NO_PREDICTIONS", "no predictions of the detector are here");
  }
  inputs->external = ExternalPredictions{set->key, set->model};
  return ForEachPage(stage, *inputs->external, ImageUse::kTraining,
                     [&](std::vector<ImageSignals> page) -> absl::Status {
                       inputs->images += static_cast<int64_t>(page.size());
                       MGRAL_ASSIGN_OR_RETURN(std::string sha256,
                                              PutArtifact(stage, SerializeSignals(page)));
                       inputs->shards.push_back(std::move(sha256));
                       return absl::OkStatus();
                     });
}

absl::StatusOr<domain::Accuracy> MeasurePredictions(const StageContext& stage,
                                                    const ExternalPredictions& predictions,
                                                    const std::vector<domain::Example>& labeled) {
  std::unordered_map<int64_t, const domain::Example*> example_of;
  for (const domain::Example& example : labeled) example_of[example.image.key] = &example;
  std::vector<std::vector<domain::Box>> truth, found;
  const absl::Status read =
      ForEachPage(stage, predictions, ImageUse::kValidation, [&](std::vector<ImageSignals> page) {
        for (ImageSignals& image : page) {
          const auto example = example_of.find(image.image_key);
          if (example == example_of.end()) continue;
          truth.push_back(example->second->boxes);
          found.push_back(std::move(image.predictions));
        }
        return absl::OkStatus();
      });
  MGRAL_RETURN_IF_ERROR(read);
  return stage.ports.detector->Measure(truth, found,
                                       static_cast<int>(stage.cycle.pool.classes.size()));
}

}  // namespace mgral::cycle
