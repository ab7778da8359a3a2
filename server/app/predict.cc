#include "server/app/predict.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "server/app/external_detector.h"
#include "server/app/field_errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

constexpr double kDefaultMinScore = 0.05;

absl::Status CheckRequest(absl::Span<const ImageInput> images, double min_score) {
  FieldErrors errors;
  if (images.empty() || images.size() > base::kMaxPredictImages) {
    errors.Add("images",
               absl::StrCat("has ", images.size(), " images; give 1 to ", base::kMaxPredictImages));
  }
  if (!(min_score >= 0 && min_score <= 1)) {
    errors.Add("min_score", absl::StrCat("is ", min_score, "; it must be from 0 to 1"));
  }
  for (size_t i = 0; i < images.size() && !errors.full(); ++i) {
    const std::string prefix = absl::StrCat("images[", i, "].");
    const std::string id_problem = ImageIdProblem(images[i].image_id);
    if (!id_problem.empty()) errors.Add(prefix + "image_id", id_problem);
    if (images[i].given != ImageInput::Given::kNothing) {
      CheckSourceForm(images[i], prefix, &errors);
    }
  }
  return errors.ToStatus();
}

}  // namespace

absl::StatusOr<domain::Model> FindModel(domain::CycleStore* cycles, const domain::Pool& pool,
                                        std::optional<int64_t> version) {
  if (!version) version = pool.published_model_version;
  if (!version) {
    return base::FailedPrecondition(
        "NO_MODEL",
        absl::StrCat("pools/", pool.pool_id,
                     " has no published model yet: start a cycle with StartCycle"),
        "model");
  }
  return cycles->GetModel(pool.key, *version);
}

absl::StatusOr<std::vector<domain::Image>> Predict::Resolve(const domain::Pool& pool,
                                                            absl::Span<const ImageInput> images) {
  std::vector<std::string> ids;
  for (const ImageInput& image : images) {
    if (image.given == ImageInput::Given::kNothing) ids.push_back(image.image_id);
  }
  MGRAL_ASSIGN_OR_RETURN(const auto rows, pools_->GetImages(pool.key, ids));
  std::map<std::string, const domain::Image*> row_of;
  for (const domain::Image& row : rows) row_of[row.image_id] = &row;

  FieldErrors errors;
  std::vector<domain::Image> resolved(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].given == ImageInput::Given::kNothing) {
      const auto found = row_of.find(images[i].image_id);
      if (found != row_of.end()) {
        resolved[i] = *found->second;
      } else {
        errors.Add(absl::StrCat("images[", i, "].image_id"),
                   absl::StrCat(base::Quoted(images[i].image_id), " is not registered in pools/",
                                pool.pool_id, ", and no source is given"));
      }
    } else {
      resolved[i].image_id = images[i].image_id;
      resolved[i].source = SourceOf(images[i], pool.applies_exif_orientation);
    }
  }
  if (!errors.empty()) return errors.ToStatus();
  return resolved;
}

absl::StatusOr<Predict::Result> Predict::Run(
    const domain::CallContext& call, const domain::Pool& pool, std::optional<int64_t> version,
    absl::Span<const ImageInput> images, const domain::DetectorRuntime::PredictOptions& options) {
  MGRAL_RETURN_IF_ERROR(NeedsOwnDetector(pool, "Predict", "model"));
  MGRAL_RETURN_IF_ERROR(CheckRequest(images, options.min_score));
  MGRAL_ASSIGN_OR_RETURN(const auto model, FindModel(cycles_, pool, version));
  MGRAL_ASSIGN_OR_RETURN(const auto resolved, Resolve(pool, images));
  MGRAL_ASSIGN_OR_RETURN(const auto weights, artifacts_->PathOf(model.weights_sha256));

  std::vector<std::string> bytes(images.size());
  for (size_t i = 0; i < images.size(); ++i) bytes[i] = std::string(images[i].data);
  domain::DetectorRuntime::PredictOptions with_default = options;
  if (options.min_score == 0) with_default.min_score = kDefaultMinScore;
  MGRAL_ASSIGN_OR_RETURN(auto predictions,
                         runtime_->Predict(call, weights, resolved, bytes, with_default));
  return Result{model.version, std::move(predictions)};
}

}  // namespace mgral::app
