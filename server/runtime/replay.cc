#include <algorithm>
#include <chrono>
#include <random>

#include "server/core/detector/detector.h"
#include "server/core/detector/replay_probes.h"
#include "server/core/random.h"
#include "server/runtime/device_executor.h"
#include "server/runtime/example_samples.h"
#include "server/runtime/torch_runtime.h"
#include "server/runtime/workplace.h"

namespace mgral::runtime {
namespace {

using ReplayRequest = domain::DetectorRuntime::ReplayRequest;
using ReplayResult = domain::DetectorRuntime::ReplayResult;
using Examples = std::vector<const domain::Example*>;

// More labeled images, and validation images, are a sample: a base is described anew by each job,
// at 0.3 MB an image.
constexpr size_t kMostReplayed = 400;
constexpr uint64_t kSampleStream = 78;

constexpr double kDescribingShare = 0.5;  // of the progress

// The same for every base.
void Sample(uint64_t seed, uint64_t part, Examples* examples) {
  if (examples->size() <= kMostReplayed) return;
  core::RandomStream random(core::MixSeed(seed, kSampleStream, part, 0));
  random.Shuffle(examples);
  examples->resize(kMostReplayed);
}

domain::ReplayBase ToDomain(const core::ReplayBase& measured, const Examples& labeled) {
  const auto keys = [&](const std::vector<int64_t>& images) {
    std::vector<int64_t> out;
    for (const int64_t i : images) out.push_back(labeled[i]->image.key);
    return out;
  };
  domain::ReplayBase base;
  base.image_keys = keys(measured.images);
  for (const core::ReplayedBatch& batch : measured.batches) {
    base.probes.push_back({keys(batch.images), batch.response, batch.half_response,
                           batch.held_positives, batch.missed});
  }
  return base;
}

absl::StatusOr<ReplayResult> ReplayOn(const ReplayRequest& request,
                                      const domain::Progress& progress,
                                      const Workplace& workplace) {
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  core::Detector detector = core::Detector::Load(request.weights_path);
  detector.MoveTo(workplace.device);
  const auto features = workplace.FeaturesOf(detector, FeatureFolder::Room::kMake);
  const int side = detector.config().longest_side();
  ReplayResult result;
  auto labeled =
      UsableExamples(request.labeled, side, workplace.images, progress, &result.left_out);
  if (!labeled.ok()) return labeled.status();
  auto validation =
      UsableExamples(request.validation, side, workplace.images, progress, &result.left_out);
  if (!validation.ok()) return validation.status();
  const bool enough = static_cast<int64_t>(labeled->size()) >= core::kFewestReplayed;
  if (!enough || !core::HasReadout(detector.config())) return result;
  Sample(request.seed, 0, &*labeled);
  Sample(request.seed, 1, &*validation);

  Examples all = *labeled;
  all.insert(all.end(), validation->begin(), validation->end());
  ExampleSamples samples(all, side, workplace.images);
  const auto share = [&](double from, double width) {
    return [&progress, from, width](double fraction) {
      return !progress || progress(from + width * fraction);
    };
  };
  std::vector<core::ReadoutImage> described =
      core::DescribeForReadout(detector, samples, features.get(), share(0, kDescribingShare));
  const auto middle = described.begin() + static_cast<int64_t>(labeled->size());
  const std::vector<core::ReadoutImage> held(std::make_move_iterator(middle),
                                             std::make_move_iterator(described.end()));
  described.resize(labeled->size());
  result.base = ToDomain(
      core::RunReplayBase(described, held, request.num_classes, request.base, request.probes,
                          request.seed, share(kDescribingShare, 1 - kDescribingShare),
                          {request.seconds, passed, request.fewest}),
      *labeled);
  result.base.seconds = passed();
  return result;
}

}  // namespace

absl::StatusOr<ReplayResult> TorchRuntime::Replay(const ReplayRequest& request,
                                                  const domain::Progress& progress) {
  return device_->Run([&] { return ReplayOn(request, progress, workplace()); });
}

}  // namespace mgral::runtime
