// kTrain. Reads the pool's images and labels and the published snapshot, and fixes them as
// CycleInputs, which names Examples and, for each kEmbed, Images. Leaves the weights, their `model`
// row and, as its result, TrainedCycle.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "server/cycle/external_detector.h"
#include "server/cycle/stages.h"
#include "server/cycle/usable_images.h"
#include "server/cycle/work_folder.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::ImageUse;
using domain::JobKind;
using domain::NewJob;

constexpr int kPage = 1000;
// Images per kEmbed job: what is lost when a worker dies, and the unit that workers share out.
constexpr size_t kShardImages = 500;

absl::StatusOr<std::vector<domain::Example>> ReadLabeled(domain::PoolStore* pools, int64_t pool_key,
                                                         ImageUse use) {
  std::vector<domain::Example> examples;
  int64_t after = 0;
  for (;;) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<domain::PoolStore::LabeledImage> page,
                           pools->LabeledImages(pool_key, use, after, kPage));
    for (domain::PoolStore::LabeledImage& labeled : page) {
      after = labeled.image.key;
      examples.push_back({std::move(labeled.image), std::move(labeled.boxes)});
    }
    if (static_cast<int>(page.size()) < kPage) return examples;
  }
}

absl::StatusOr<std::vector<Image>> ReadUnlabeled(domain::PoolStore* pools, int64_t pool_key) {
  std::vector<Image> images;
  int64_t after = 0;
  for (;;) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<Image> page, pools->UnlabeledImages(pool_key, after, kPage));
    for (Image& image : page) {
      after = image.key;
      images.push_back(std::move(image));
    }
    if (static_cast<int>(page.size()) < kPage) return images;
  }
}

absl::StatusOr<std::vector<std::string>> PutShards(const StageContext& stage,
                                                   const std::vector<Image>& images) {
  std::vector<std::string> shards;
  for (size_t begin = 0; begin < images.size(); begin += kShardImages) {
    const size_t end = std::min(images.size(), begin + kShardImages);
    MGRAL_ASSIGN_OR_RETURN(
        std::string sha256,
        PutArtifact(stage, SerializeImages({images.begin() + begin, images.begin() + end})));
    shards.push_back(std::move(sha256));
  }
  return shards;
}

std::vector<double> ClassAp50(const domain::Accuracy& accuracy) {
  std::vector<double> values;
  for (const domain::ClassAccuracy& each : accuracy.classes) values.push_back(each.ap50);
  return values;
}

// The images that are embedded: those without labels, and those that say what to expect of them.
absl::Status GatherImages(const StageContext& stage, const CycleExamples& examples,
                          CycleInputs* inputs) {
  MGRAL_ASSIGN_OR_RETURN(std::vector<Image> images,
                         ReadUnlabeled(stage.ports.pools, stage.cycle.pool.key));
  for (const auto* labeled : {&examples.training, &examples.validation}) {
    for (const domain::Example& example : *labeled) images.push_back(example.image);
  }
  inputs->images = static_cast<int64_t>(images.size());
  MGRAL_ASSIGN_OR_RETURN(inputs->shards, PutShards(stage, images));
  return absl::OkStatus();
}

// An imported model is what training begins with, unless it goes on from one that did.
absl::Status ChooseStart(const StageContext& stage,
                         const std::optional<domain::CycleStore::Published>& published,
                         CycleInputs* inputs) {
  const domain::Pool& pool = stage.cycle.pool;
  std::optional<int64_t> import = pool.start_model_version;
  if (published && published->cycle_key == 0) {  // perhaps imported since the pool was read
    import = std::max(import.value_or(0), published->model.version);
  }
  if (pool.detector.warm_start && published) {
    const domain::Model& model = published->model;
    inputs->import_version = model.import_version;
    if (!import || (model.import_version == import && model.training_images > 0)) {
      return absl::OkStatus();
    }
  }
  inputs->import_version = import;
  if (!import) return absl::OkStatus();
  MGRAL_ASSIGN_OR_RETURN(const domain::Model model,
                         stage.ports.cycles->GetModel(pool.key, *import));
  inputs->start_sha256 = model.weights_sha256;
  return absl::OkStatus();
}

// Everything that the cycle works on, as it is now.
absl::StatusOr<CycleInputs> GatherInputs(const StageContext& stage) {
  const domain::Pool& pool = stage.cycle.pool;
  CycleExamples examples;
  MGRAL_ASSIGN_OR_RETURN(examples.training,
                         ReadLabeled(stage.ports.pools, pool.key, ImageUse::kTraining));
  MGRAL_ASSIGN_OR_RETURN(examples.validation,
                         ReadLabeled(stage.ports.pools, pool.key, ImageUse::kValidation));
  CycleInputs inputs;
  if (pool.detector.external()) {
    MGRAL_RETURN_IF_ERROR(GatherPredictions(stage, &inputs));
  } else {
    MGRAL_RETURN_IF_ERROR(KeepUsable(stage, {&examples.training, &examples.validation}));
    MGRAL_RETURN_IF_ERROR(GatherImages(stage, examples, &inputs));
  }
  MGRAL_ASSIGN_OR_RETURN(inputs.examples_sha256, PutArtifact(stage, SerializeExamples(examples)));
  MGRAL_ASSIGN_OR_RETURN(const auto published, stage.ports.cycles->PublishedSnapshot(pool.key));
  MGRAL_RETURN_IF_ERROR(ChooseStart(stage, published, &inputs));
  uint64_t cycle_number = 1;
  if (published) cycle_number = static_cast<uint64_t>(published->model.version) + 1;
  if (published && published->cycle_key != 0) {
    const domain::Model& model = published->model;
    // What has become of an external detector since then is unknown: no gain is its batches'.
    if (!inputs.external)
      inputs.previous = PreviousSnapshot{model.weights_sha256, published->manifest_sha256,
                                         published->selector_sha256, ClassAp50(model.validation),
                                         model.validation.map50};
  }
  inputs.seed = MixSeed(static_cast<uint64_t>(pool.selection.seed), cycle_number);
  return inputs;
}

// The inputs of the first attempt, also when another worker made it: a checkpoint fits no other.
absl::StatusOr<domain::CycleStore::CycleContext> FixedInputs(const StageContext& stage) {
  if (!stage.cycle.work_id.empty()) return stage.cycle;
  MGRAL_ASSIGN_OR_RETURN(const CycleInputs gathered, GatherInputs(stage));
  MGRAL_ASSIGN_OR_RETURN(const std::string bytes, SerializeInputs(gathered));
  return stage.ports.cycles->FixInputs(stage.job, bytes);
}

absl::StatusOr<domain::DetectorRuntime::TrainRequest> MakeRequest(const StageContext& stage,
                                                                  const TrainedCycle& cycle,
                                                                  const std::string& folder) {
  MGRAL_ASSIGN_OR_RETURN(CycleExamples examples, LoadExamples(stage, cycle));
  domain::DetectorRuntime::TrainRequest request;
  request.detector = stage.cycle.pool.detector;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.training = std::move(examples.training);
  request.validation = std::move(examples.validation);
  request.checkpoint_folder = folder;
  request.seed = StageSeed(cycle.inputs, SeedPurpose::kTrain);
  std::string start = cycle.inputs.start_sha256;
  if (start.empty() && request.detector.warm_start && cycle.inputs.previous &&
      !request.training.empty()) {
    start = cycle.inputs.previous->weights_sha256;
  }
  if (!start.empty()) {
    MGRAL_ASSIGN_OR_RETURN(request.warm_start_path, stage.ports.artifacts->PathOf(start));
  }
  return request;
}

// How many of the examples the detector did use.
int64_t CountUsed(const std::vector<domain::Example>& examples,
                  const std::vector<domain::LeftOutImage>& left_out) {
  std::unordered_set<int64_t> unused;
  for (const domain::LeftOutImage& image : left_out) unused.insert(image.image_key);
  return std::count_if(examples.begin(), examples.end(), [&](const domain::Example& example) {
    return unused.count(example.image.key) == 0;
  });
}

std::vector<NewJob> EmbedJobs(const CycleInputs& inputs) {
  std::vector<NewJob> jobs;
  for (size_t i = 0; i < inputs.shards.size(); ++i) {
    jobs.push_back({JobKind::kEmbed, static_cast<int>(i), inputs.shards[i]});
  }
  if (jobs.empty()) jobs.push_back({JobKind::kSelector, 0, ""});  // a pool without images
  return jobs;
}

// Records the model, whose weights, profile and figures are given, and what follows.
StageResult RecordTrained(const StageContext& stage, TrainedCycle trained,
                          domain::CycleStore::TrainedModel model,
                          std::vector<std::pair<std::string, double>> metrics) {
  trained.weights_sha256 = model.weights_sha256;
  trained.class_ap50 = ClassAp50(model.validation);
  trained.map50 = model.validation.map50;
  trained.cold_start = model.cold_start;
  model.profile = stage.cycle.pool.detector.profile;
  MGRAL_RETURN_IF_ERROR(stage.ports.cycles->RecordModel(stage.job, model).status());
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, SerializeTrained(trained));
  outcome.metrics = std::move(metrics);
  outcome.next = EmbedJobs(trained.inputs);
  return outcome;
}

// Nothing is trained: the predictions are measured.
StageResult MeasureExternal(const StageContext& stage, const TrainedCycle& cycle) {
  const ExternalPredictions& predictions = *cycle.inputs.external;
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples examples, LoadExamples(stage, cycle));
  domain::CycleStore::TrainedModel model;
  MGRAL_ASSIGN_OR_RETURN(model.validation,
                         MeasurePredictions(stage, predictions, examples.validation));
  model.external_model = predictions.model;
  return RecordTrained(stage, cycle, std::move(model), {});
}

}  // namespace

StageResult RunTrain(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const auto fixed, FixedInputs(stage));
  TrainedCycle trained;
  MGRAL_ASSIGN_OR_RETURN(trained.inputs, ParseInputs(fixed.inputs));
  if (trained.inputs.external) return MeasureExternal(stage, trained);
  MGRAL_ASSIGN_OR_RETURN(const std::string folder,
                         stage.ports.artifacts->WorkFolder(WorkFolderName(fixed.work_id)));
  MGRAL_ASSIGN_OR_RETURN(auto request, MakeRequest(stage, trained, folder));
  auto done = stage.ports.detector->Train(request, stage.progress);
  if (MayComeFromAnImage(done.status())) {
    MGRAL_RETURN_IF_ERROR(KeepUsable(stage, {&request.training, &request.validation}));
    done = stage.ports.detector->Train(request, stage.progress);
    MGRAL_RETURN_IF_ERROR(ToBeTriedAgain(done.status()));
  }
  MGRAL_ASSIGN_OR_RETURN(auto result, std::move(done));
  // These broke after the inputs were fixed. The next cycle's check rejects them if it lasts.
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, result.left_out));
  domain::CycleStore::TrainedModel model;
  MGRAL_ASSIGN_OR_RETURN(model.weights_sha256, stage.ports.artifacts->PutFile(result.weights_path));
  model.parameters = result.parameters;
  model.training_images = CountUsed(request.training, result.left_out);
  model.validation = std::move(result.validation);
  model.cold_start = model.training_images == 0;
  model.import_version = trained.inputs.import_version;
  return RecordTrained(stage, std::move(trained), std::move(model), std::move(result.metrics));
}

}  // namespace mgral::cycle
