#include "server/core/detector/train.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <system_error>

#include "server/core/detector/detector.h"
#include "server/core/detector/predict.h"
#include "server/runtime/convert.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/example_samples.h"
#include "server/runtime/torch_runtime.h"
#include "server/runtime/workplace.h"

namespace mgral::runtime {
namespace {

using TrainRequest = domain::DetectorRuntime::TrainRequest;
using TrainResult = domain::DetectorRuntime::TrainResult;

constexpr double kTrainingShare = 0.9;  // of the progress; the rest is measuring

core::Detector Start(const TrainRequest& request, const core::DetectorProfile& recipe,
                     const Workplace& workplace) {
  const bool warm = !request.warm_start_path.empty();
  core::Detector detector = warm ? core::Detector::Load(request.warm_start_path, recipe.detector)
                                 : core::Detector(recipe.detector, request.seed);
  if (!warm && recipe.detector.frozen_trunk) workplace.trunk->PutInto(&detector);
  detector.MoveTo(workplace.device);
  return detector;
}

core::TrainReport TrainFrom(const TrainRequest& request, const core::DetectorProfile& recipe,
                            ExampleSamples* samples, const domain::Progress& progress,
                            const Workplace& workplace, core::FeatureCache* features,
                            core::Detector* detector) {
  core::CheckpointConfig checkpoint;
  checkpoint.path = request.checkpoint_folder + "/checkpoint.pt";
  checkpoint.every_steps = std::min<int64_t>(200, std::max<int64_t>(5, recipe.train.steps / 10));
  bool began = false;
  const auto report = [&](const core::TrainProgress& at) {
    began = true;
    return !progress ||
           progress(kTrainingShare * static_cast<double>(at.step) / std::max<int64_t>(1, at.steps));
  };
  const bool resumes = std::ifstream(checkpoint.path).good();
  try {
    return core::Train(*detector, *samples, recipe.train, checkpoint, report, features);
  } catch (const core::Canceled&) {
    throw;
  } catch (const std::system_error&) {  // of the disk, not of the checkpoint
    throw;
  } catch (const std::runtime_error&) {
    // A checkpoint that does not fit (an image has become undecodable since) is no reason to fail.
    if (!resumes || began) throw;
    std::remove(checkpoint.path.c_str());
    *detector = Start(request, recipe, workplace);
    return core::Train(*detector, *samples, recipe.train, checkpoint, report, features);
  }
}

absl::StatusOr<TrainResult> TrainDetector(const TrainRequest& request,
                                          const domain::Progress& progress,
                                          const Workplace& workplace) {
  const core::DetectorProfile recipe =
      MakeRecipe(request.detector, request.num_classes,
                 static_cast<int64_t>(request.training.size()), request.seed);
  const int side = recipe.detector.longest_side();
  TrainResult result;
  const auto usable = [&](const std::vector<domain::Example>& examples) {
    return UsableExamples(examples, side, workplace.images, progress, &result.left_out);
  };
  const auto training = usable(request.training);
  if (!training.ok()) return training.status();
  const auto validation = usable(request.validation);
  if (!validation.ok()) return validation.status();

  core::Detector detector = Start(request, recipe, workplace);
  const auto features = workplace.FeaturesOf(detector, FeatureFolder::Room::kMake);
  if (!training->empty()) {
    ExampleSamples samples(*training, side, workplace.images);
    const core::TrainReport report =
        TrainFrom(request, recipe, &samples, progress, workplace, features.get(), &detector);
    result.metrics = {
        {"loss", report.loss},
        {"steps", static_cast<double>(report.steps)},
        {"resumed_at", static_cast<double>(report.resumed_at)},
        {"images_per_second", report.seconds > 0 ? report.images_seen / report.seconds : 0.0}};
  }
  ExampleSamples measured(*validation, side, workplace.images);
  const core::Accuracy accuracy = core::Evaluate(
      detector, measured, recipe.predict,
      [&](double fraction) {
        return !progress || progress(kTrainingShare + (1 - kTrainingShare) * fraction);
      },
      features.get());
  result.validation = ToAccuracy(accuracy, measured.size());
  result.metrics.emplace_back("undecodable", static_cast<double>(result.left_out.size()));
  result.parameters = detector.NumParameters();
  result.weights_path = request.checkpoint_folder + "/weights.safetensors";
  detector.Save(result.weights_path);
  return result;
}

}  // namespace

absl::StatusOr<TrainResult> TorchRuntime::Train(const TrainRequest& request,
                                                const domain::Progress& progress) {
  return device_->Run([&] { return TrainDetector(request, progress, workplace()); });
}

}  // namespace mgral::runtime
