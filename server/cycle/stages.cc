#include "server/cycle/stages.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/cycle/usable_images.h"

namespace mgral::cycle {
namespace {

using domain::ImageSignals;
using domain::JobKind;

std::unordered_set<int64_t> KeysOf(const std::vector<domain::Example>& examples) {
  std::unordered_set<int64_t> keys;
  for (const domain::Example& example : examples) keys.insert(example.image.key);
  return keys;
}

// Objects of an example per class, but those to be ignored.
std::vector<float> CountObjects(const domain::Example& example, size_t classes) {
  std::vector<float> counts(classes, 0.0f);
  for (const domain::Box& box : example.boxes) {
    if (!box.ignore) ++counts.at(box.class_index);
  }
  return counts;
}

// The same of each of `images`, which are all among the examples.
std::vector<std::vector<float>> ObjectsOf(const std::vector<ImageSignals>& images,
                                          const CycleExamples& examples, size_t classes) {
  std::unordered_map<int64_t, const domain::Example*> by_key;
  for (const auto* list : {&examples.training, &examples.validation}) {
    for (const domain::Example& example : *list) by_key[example.image.key] = &example;
  }
  std::vector<std::vector<float>> objects;
  for (const ImageSignals& image : images) {
    objects.push_back(CountObjects(*by_key.at(image.image_key), classes));
  }
  return objects;
}

// Calibrates the expected objects of the candidates by all that is labeled. Nothing was seen in a
// cold start, and an external detector is taken at its word.
absl::Status ExpectObjects(const StageContext& stage, const TrainedCycle& trained,
                           const CycleExamples& examples, std::vector<ImageSignals> validation,
                           EmbeddedPool* pool) {
  if (trained.cold_start || stage.cycle.pool.detector.external()) return absl::OkStatus();
  std::vector<ImageSignals> known = std::move(validation);
  known.insert(known.end(), pool->labeled.begin(), pool->labeled.end());
  return stage.ports.selection->ExpectObjects(
      known, ObjectsOf(known, examples, stage.cycle.pool.classes.size()), &pool->candidates);
}

}  // namespace

absl::StatusOr<std::string> PutArtifact(const StageContext& stage,
                                        absl::StatusOr<std::string> bytes) {
  MGRAL_RETURN_IF_ERROR(bytes.status());
  MGRAL_ASSIGN_OR_RETURN(const std::string sha256, stage.ports.artifacts->Put(*bytes));
  MGRAL_RETURN_IF_ERROR(stage.ports.cycles->KeepArtifacts(stage.job, {sha256}));
  return sha256;
}

absl::StatusOr<std::string> ResultOf(const StageContext& stage, JobKind kind) {
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> results,
                         stage.ports.jobs->Results(stage.job.cycle_key, kind));
  return results.empty() ? std::string() : results.front();
}

absl::StatusOr<TrainedCycle> LoadTrained(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::string result, ResultOf(stage, JobKind::kTrain));
  return ParseTrained(result);
}

absl::StatusOr<CycleExamples> LoadExamples(const StageContext& stage, const TrainedCycle& trained) {
  MGRAL_ASSIGN_OR_RETURN(CycleExamples examples,
                         LoadRecord(stage.ports, trained.inputs.examples_sha256, ParseExamples));
  const int classes = static_cast<int>(stage.cycle.pool.classes.size());
  for (const auto* list : {&examples.training, &examples.validation}) {
    for (const domain::Example& example : *list) {
      for (const domain::Box& box : example.boxes) {
        if (box.class_index >= classes) {
          return absl::DataLossError(absl::StrCat("the cycle's labels of image ",
                                                  example.image.image_id,
                                                  " name a class that the pool does not have"));
        }
      }
    }
  }
  return examples;
}

absl::StatusOr<std::optional<domain::SelectionRuntime::TableResult>> LoadTable(
    const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const std::string sha256, ResultOf(stage, JobKind::kTable));
  if (sha256.empty()) return std::optional<domain::SelectionRuntime::TableResult>();
  MGRAL_ASSIGN_OR_RETURN(TableParts parts, LoadRecord(stage.ports, sha256, ParseTable));
  for (const std::string& part : parts.images) {
    MGRAL_ASSIGN_OR_RETURN(const std::string bytes, stage.ports.artifacts->Get(part));
    MGRAL_RETURN_IF_ERROR(ParseTableImages(bytes, &parts.table));
  }
  return std::optional<domain::SelectionRuntime::TableResult>(std::move(parts.table));
}

absl::StatusOr<EmbeddedPool> LoadEmbeddedPool(const StageContext& stage,
                                              const TrainedCycle& trained,
                                              const CycleExamples& examples) {
  EmbeddedPool pool;
  MGRAL_ASSIGN_OR_RETURN(const std::vector<std::string> artifacts,
                         stage.ports.jobs->Results(stage.job.cycle_key, JobKind::kEmbed));
  const std::unordered_set<int64_t> training = KeysOf(examples.training);
  const std::unordered_set<int64_t> validating = KeysOf(examples.validation);
  std::vector<ImageSignals> validation;
  for (const std::string& sha256 : artifacts) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<ImageSignals> signals,
                           LoadRecord(stage.ports, sha256, ParseSignals));
    pool.images += static_cast<int64_t>(signals.size());
    for (ImageSignals& image : signals) {
      if (!image.error.empty()) continue;
      auto& list = training.count(image.image_key) > 0     ? pool.labeled
                   : validating.count(image.image_key) > 0 ? validation
                                                           : pool.candidates;
      list.push_back(std::move(image));
    }
  }
  for (auto* list : {&pool.candidates, &pool.labeled, &validation}) {
    std::sort(list->begin(), list->end(), [](const ImageSignals& a, const ImageSignals& b) {
      return a.image_key < b.image_key;
    });
  }
  MGRAL_RETURN_IF_ERROR(ExpectObjects(stage, trained, examples, std::move(validation), &pool));
  return pool;
}

absl::Status CheckMissing(const StageContext& stage, const TrainedCycle& trained,
                          const EmbeddedPool& pool) {
  const int64_t images = trained.inputs.images;
  const int64_t most = static_cast<int64_t>(MostMissing(static_cast<size_t>(images)));
  if (images - pool.images <= most) return absl::OkStatus();
  const auto& left_out = stage.cycle.cycle.left_out;
  const std::string one =
      left_out.empty()
          ? ""
          : absl::StrCat(", e.g. image ", left_out.front().image_id, ": ", left_out.front().reason);
  return base::FailedPrecondition(
      "IMAGES_MISSING", absl::StrCat(images - pool.images, " of ", images, " images are missing",
                                     one, "; a cycle tolerates at most ", most, " missing images"));
}

absl::StatusOr<LabelHistory> LoadLabelHistory(const StageContext& stage,
                                              const TrainedCycle& trained,
                                              const CycleExamples& examples) {
  LabelHistory history;
  if (!trained.inputs.previous) return history;
  MGRAL_ASSIGN_OR_RETURN(
      const Manifest manifest,
      LoadRecord(stage.ports, trained.inputs.previous->manifest_sha256, ParseManifest));
  history.realized = manifest.realized;
  if (manifest.cold_start) return history;
  MGRAL_ASSIGN_OR_RETURN(const CycleExamples before,
                         LoadRecord(stage.ports, manifest.examples_sha256, ParseExamples));
  const std::unordered_set<int64_t> known = KeysOf(before.training);
  for (const domain::Example& example : examples.training) {
    if (known.count(example.image.key) == 0) history.newly_labeled.push_back(example.image.key);
  }
  return history;
}

std::vector<int64_t> CountLabels(const StageContext& stage, const CycleExamples& examples) {
  std::vector<int64_t> counts(stage.cycle.pool.classes.size(), 0);
  for (const domain::Example& example : examples.training) {
    const std::vector<float> objects = CountObjects(example, counts.size());
    for (size_t c = 0; c < counts.size(); ++c) counts[c] += static_cast<int64_t>(objects[c]);
  }
  return counts;
}

domain::SelectionRuntime::PlanRequest MakePlanRequest(const StageContext& stage,
                                                      const TrainedCycle& trained,
                                                      const CycleExamples& examples,
                                                      EmbeddedPool pool) {
  domain::SelectionRuntime::PlanRequest request;
  request.num_classes = static_cast<int>(stage.cycle.pool.classes.size());
  request.candidates = std::move(pool.candidates);
  request.labeled = std::move(pool.labeled);
  request.labeled_objects = ObjectsOf(request.labeled, examples, stage.cycle.pool.classes.size());
  request.class_ap = trained.class_ap50;
  request.batch_size = stage.cycle.pool.selection.batch_size;
  request.seed = StageSeed(trained.inputs, SeedPurpose::kPlan);
  return request;
}

}  // namespace mgral::cycle
