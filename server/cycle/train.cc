#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::ImageUse;
using domain::JobKind;
using domain::NewJob;

constexpr int kPage = 1000;
// Of one job: what is lost with a worker, and what several workers share out.
constexpr size_t kShardImages = 500;

absl::StatusOr<std::vector<domain::Example>> ReadLabeled(domain::PoolStore* pools, int64_t pool_key,
                                                         ImageUse use) {
  std::vector<domain::Example> examples;
  int64_t after = 0;
  for (;;) {
    auto page = pools->LabeledImages(pool_key, use, after, kPage);
    if (!page.ok()) return page.status();
    for (domain::PoolStore::LabeledImage& labeled : *page) {
      after = labeled.image.key;
      examples.push_back({std::move(labeled.image), std::move(labeled.boxes)});
    }
    if (static_cast<int>(page->size()) < kPage) return examples;
  }
}

absl::StatusOr<std::vector<Image>> ReadUnlabeled(domain::PoolStore* pools, int64_t pool_key) {
  std::vector<Image> images;
  int64_t after = 0;
  for (;;) {
    auto page = pools->UnlabeledImages(pool_key, after, kPage);
    if (!page.ok()) return page.status();
    for (Image& image : *page) {
      after = image.key;
      images.push_back(std::move(image));
    }
    if (static_cast<int>(page->size()) < kPage) return images;
  }
}

absl::StatusOr<std::vector<std::string>> PutShards(domain::ArtifactStore* artifacts,
                                                   const std::vector<Image>& images) {
  std::vector<std::string> shards;
  for (size_t begin = 0; begin < images.size(); begin += kShardImages) {
    const size_t end = std::min(images.size(), begin + kShardImages);
    auto sha256 = artifacts->Put(
        WriteImages(std::vector<Image>(images.begin() + begin, images.begin() + end)));
    if (!sha256.ok()) return sha256.status();
    shards.push_back(*std::move(sha256));
  }
  return shards;
}

// Everything that the cycle works on, as it is now.
absl::StatusOr<CycleInputs> GatherInputs(const StageContext& stage) {
  const domain::Pool& pool = stage.cycle.pool;
  CycleExamples examples;
  auto training = ReadLabeled(stage.ports.pools, pool.key, ImageUse::kTraining);
  if (!training.ok()) return training.status();
  auto validation = ReadLabeled(stage.ports.pools, pool.key, ImageUse::kValidation);
  if (!validation.ok()) return validation.status();
  auto images = ReadUnlabeled(stage.ports.pools, pool.key);
  if (!images.ok()) return images.status();
  examples.training = *std::move(training);
  examples.validation = *std::move(validation);
  for (const domain::Example& example : examples.training) images->push_back(example.image);

  CycleInputs inputs;
  auto sha256 = stage.ports.artifacts->Put(WriteExamples(examples));
  if (!sha256.ok()) return sha256.status();
  inputs.examples_sha256 = *std::move(sha256);
  auto shards = PutShards(stage.ports.artifacts, *images);
  if (!shards.ok()) return shards.status();
  inputs.shards = *std::move(shards);
  const auto published = stage.ports.cycles->PublishedSnapshot(pool.key);
  if (!published.ok()) return published.status();
  uint64_t cycle_number = 1;
  if (published->has_value()) {
    const domain::Model& model = (*published)->model;
    cycle_number = static_cast<uint64_t>(model.version) + 1;
    PreviousSnapshot previous{model.weights_sha256,
                              (*published)->manifest_sha256,
                              (*published)->selector_sha256,
                              {},
                              model.validation.map50};
    for (const domain::ClassAccuracy& each : model.validation.classes) {
      previous.class_ap50.push_back(each.ap50);
    }
    inputs.previous = std::move(previous);
  }
  inputs.seed = MixSeed(static_cast<uint64_t>(pool.selection.seed), cycle_number);
  return inputs;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Writes the file whole or not at all, and leaves one that is there as it is.
absl::Status WriteOnce(const std::string& path, const std::string& text) {
  const std::string draft = absl::StrCat(path, ".", getpid());
  {
    std::ofstream file(draft, std::ios::binary);
    file << text;
    file.flush();
    if (!file) return absl::ResourceExhaustedError(absl::StrCat("cannot write ", draft));
  }
  const int linked = link(draft.c_str(), path.c_str());
  const bool there = linked == 0 || access(path.c_str(), R_OK) == 0;
  std::remove(draft.c_str());
  return there ? absl::OkStatus() : absl::InternalError(absl::StrCat("cannot write ", path));
}

// The inputs of the first attempt, also when another worker made it: a checkpoint fits no other.
absl::StatusOr<CycleInputs> FixedInputs(const StageContext& stage, const std::string& folder) {
  const std::string path = folder + "/inputs.json";
  if (access(path.c_str(), R_OK) != 0) {
    const auto inputs = GatherInputs(stage);
    if (!inputs.ok()) return inputs.status();
    const absl::Status written = WriteOnce(path, ToJson(*inputs));
    if (!written.ok()) return written;
  }
  return ParseInputs(ReadText(path));
}

absl::StatusOr<domain::ModelRuntime::TrainRequest> MakeRequest(const StageContext& stage,
                                                               const CycleInputs& inputs,
                                                               const std::string& folder) {
  auto examples = LoadExamples(stage.ports, inputs.examples_sha256);
  if (!examples.ok()) return examples.status();
  domain::ModelRuntime::TrainRequest request;
  request.detector = stage.cycle.pool.detector;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.training = std::move(examples->training);
  request.validation = std::move(examples->validation);
  request.checkpoint_folder = folder;
  request.seed = StageSeed(inputs, SeedPlace::kTrain);
  if (request.detector.warm_start && inputs.previous && !request.training.empty()) {
    const auto path = stage.ports.artifacts->PathOf(inputs.previous->weights_sha256);
    if (!path.ok()) return path.status();
    request.warm_start_path = *path;
  }
  return request;
}

std::vector<NewJob> EmbedJobs(const CycleInputs& inputs) {
  std::vector<NewJob> jobs;
  for (size_t i = 0; i < inputs.shards.size(); ++i) {
    jobs.push_back({JobKind::kEmbed, static_cast<int>(i), inputs.shards[i]});
  }
  if (jobs.empty()) jobs.push_back({JobKind::kSelector, 0, ""});  // a pool without images
  return jobs;
}

}  // namespace

StageResult RunTrain(const StageContext& stage) {
  const auto folder = stage.ports.artifacts->WorkFolder(WorkFolderName(stage.job));
  if (!folder.ok()) return folder.status();
  auto inputs = FixedInputs(stage, *folder);
  if (!inputs.ok()) return inputs.status();
  const auto request = MakeRequest(stage, *inputs, *folder);
  if (!request.ok()) return request.status();
  auto result = stage.ports.runtime->Train(*request, stage.progress);
  if (!result.ok()) return result.status();
  auto weights = stage.ports.artifacts->PutFile(result->weights_path);
  if (!weights.ok()) return weights.status();

  domain::CycleStore::TrainedModel model;
  model.weights_sha256 = *weights;
  model.profile = stage.cycle.pool.detector.profile;
  model.parameters = result->parameters;
  model.training_images = static_cast<int64_t>(request->training.size());
  model.validation = result->validation;
  model.cold_start = request->training.empty();
  const auto recorded = stage.ports.cycles->RecordModel(stage.job, model);
  if (!recorded.ok()) return recorded.status();

  TrainedCycle trained{*std::move(inputs), *weights, {}, model.validation.map50, model.cold_start};
  for (const domain::ClassAccuracy& each : model.validation.classes) {
    trained.class_ap50.push_back(each.ap50);
  }
  StageOutcome outcome;
  outcome.result = ToJson(trained);
  outcome.metrics = std::move(result->metrics);
  outcome.next = EmbedJobs(trained.inputs);
  return outcome;
}

}  // namespace mgral::cycle
