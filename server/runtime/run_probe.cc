#include "server/core/detector/probe_runner.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/example_samples.h"
#include "server/runtime/recipe.h"
#include "server/runtime/torch_runtime.h"

namespace mgral::runtime {
namespace {

using ProbeRequest = domain::ModelRuntime::ProbeRequest;
using ProbeResponse = domain::ModelRuntime::ProbeResponse;

absl::StatusOr<ProbeResponse> Probe(const ProbeRequest& request, const domain::Progress& progress,
                                    c10::Device device, ImageCache* images) {
  const core::DetectorProfile recipe =
      MakeRecipe(request.detector, request.num_classes,
                 static_cast<int64_t>(request.labeled.size()), request.probe.seed);
  core::ProbeConfig config = recipe.probe;
  config.train.seed = request.probe.seed;
  core::Detector start = core::Detector::Load(request.weights_path);
  start.MoveTo(device);
  const int side = start.config().input_size;

  const auto labeled = UsableExamples(request.labeled, side, images, progress);
  if (!labeled.ok()) return labeled.status();
  const auto batch = UsableExamples(request.batch, side, images, progress);
  if (!batch.ok()) return batch.status();
  const auto validation = UsableExamples(request.validation, side, images, progress);
  if (!validation.ok()) return validation.status();
  ExampleSamples labeled_samples(*labeled, side, images);
  ExampleSamples batch_samples(*batch, side, images);
  ExampleSamples validation_samples(*validation, side, images);
  const bool has_batch = !request.probe.control && !batch->empty();
  const core::ProbeOutcome outcome = core::RunProbe(
      start, labeled_samples, has_batch && !request.probe.replay ? &batch_samples : nullptr,
      has_batch && request.probe.replay ? &batch_samples : nullptr, validation_samples, config,
      [&](double fraction) { return !progress || progress(fraction); });
  return ProbeResponse{outcome.class_ap50, outcome.class_loss, outcome.seconds};
}

}  // namespace

absl::StatusOr<ProbeResponse> TorchRuntime::RunProbe(const ProbeRequest& request,
                                                     const domain::Progress& progress) {
  return device_->Run([&] { return Probe(request, progress, device_->device(), images_.get()); });
}

}  // namespace mgral::runtime
