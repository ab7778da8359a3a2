#include "server/cycle/records.h"

#include "server/base/status_macros.h"
#include "server/cycle/legacy_records.h"
#include "server/cycle/record_messages.h"

namespace mgral::cycle {
namespace {

using ExampleMessages = google::protobuf::RepeatedPtrField<Record::Example>;

void SetExamples(const std::vector<domain::Example>& examples, ExampleMessages* out) {
  for (const domain::Example& example : examples) {
    Record::Example* const each = out->Add();
    SetImage(example.image, each->mutable_image());
    SetBoxes(example.boxes, each->mutable_boxes());
  }
}

absl::StatusOr<std::vector<domain::Example>> GetExamples(const ExampleMessages& in) {
  std::vector<domain::Example> examples;
  examples.reserve(in.size());
  for (const Record::Example& each : in) {
    domain::Example example;
    MGRAL_ASSIGN_OR_RETURN(example.image, GetImage(each.image()));
    MGRAL_ASSIGN_OR_RETURN(example.boxes, GetBoxes(each.boxes()));
    examples.push_back(std::move(example));
  }
  return examples;
}

void SetInputs(const CycleInputs& inputs, Record::CycleInputs* out) {
  out->set_seed(inputs.seed);
  out->set_examples_sha256(inputs.examples_sha256);
  SetAll(inputs.shards, out->mutable_shards());
  out->set_images(inputs.images);
  if (inputs.external) {
    out->mutable_external()->set_set_key(inputs.external->set_key);
    out->mutable_external()->set_model(inputs.external->model);
  }
  out->set_start_sha256(inputs.start_sha256);
  if (inputs.import_version) out->set_import_version(*inputs.import_version);
  if (!inputs.previous) return;
  Record::Previous* const previous = out->mutable_previous();
  previous->set_weights_sha256(inputs.previous->weights_sha256);
  previous->set_manifest_sha256(inputs.previous->manifest_sha256);
  previous->set_selector_sha256(inputs.previous->selector_sha256);
  SetAll(inputs.previous->class_ap50, previous->mutable_class_ap50());
  previous->set_map50(inputs.previous->map50);
}

CycleInputs GetInputs(const Record::CycleInputs& in) {
  CycleInputs inputs;
  inputs.seed = in.seed();
  inputs.examples_sha256 = in.examples_sha256();
  inputs.shards = GetAll<std::string>(in.shards());
  inputs.images = in.images();
  inputs.start_sha256 = in.start_sha256();
  if (in.has_import_version()) inputs.import_version = in.import_version();
  if (in.has_external()) {
    inputs.external = ExternalPredictions{in.external().set_key(), in.external().model()};
  }
  if (in.has_previous()) {
    const Record::Previous& previous = in.previous();
    inputs.previous = PreviousSnapshot{previous.weights_sha256(), previous.manifest_sha256(),
                                       previous.selector_sha256(),
                                       GetAll<double>(previous.class_ap50()), previous.map50()};
  }
  return inputs;
}

// Whole objects, each of a prediction.
bool ObjectsFit(const Record::ImageSignals& image) {
  const int64_t dim = image.object_dim(), bytes = static_cast<int64_t>(image.objects().size());
  if (dim <= 0) return dim == 0 && bytes == 0;
  return bytes % dim == 0 && bytes / dim <= image.predictions_size();
}

}  // namespace

absl::StatusOr<std::string> SerializeInputs(const CycleInputs& inputs) {
  Record record;
  SetInputs(inputs, record.mutable_inputs());
  return Serialize(record);
}

absl::StatusOr<CycleInputs> ParseInputs(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kInputs, "a cycle's inputs"));
  return GetInputs(record.inputs());
}

absl::StatusOr<std::string> SerializeTrained(const TrainedCycle& trained) {
  Record record;
  Record::TrainedCycle* const out = record.mutable_trained();
  SetInputs(trained.inputs, out->mutable_inputs());
  out->set_weights_sha256(trained.weights_sha256);
  SetAll(trained.class_ap50, out->mutable_class_ap50());
  out->set_map50(trained.map50);
  out->set_cold_start(trained.cold_start);
  return Serialize(record);
}

absl::StatusOr<TrainedCycle> ParseTrained(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kTrained, "a result of training"));
  const Record::TrainedCycle& in = record.trained();
  return TrainedCycle{GetInputs(in.inputs()), in.weights_sha256(), GetAll<double>(in.class_ap50()),
                      in.map50(), in.cold_start()};
}

absl::StatusOr<std::string> SerializeImages(const std::vector<domain::Image>& images) {
  Record record;
  for (const domain::Image& image : images) {
    SetImage(image, record.mutable_images()->add_images());
  }
  record.mutable_images();  // also of none
  return Serialize(record);
}

absl::StatusOr<std::vector<domain::Image>> ParseImages(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kImages, "a list of images"));
  return GetImages(record.images().images());
}

absl::StatusOr<std::string> SerializeExamples(const CycleExamples& examples) {
  Record record;
  SetExamples(examples.training, record.mutable_examples()->mutable_training());
  SetExamples(examples.validation, record.mutable_examples()->mutable_validation());
  return Serialize(record);
}

absl::StatusOr<CycleExamples> ParseExamples(absl::string_view bytes) {
  if (IsLegacyRecord(bytes)) return ParseLegacyExamples(bytes);
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kExamples, "a list of labeled images"));
  CycleExamples examples;
  MGRAL_ASSIGN_OR_RETURN(examples.training, GetExamples(record.examples().training()));
  MGRAL_ASSIGN_OR_RETURN(examples.validation, GetExamples(record.examples().validation()));
  return examples;
}

absl::StatusOr<std::string> SerializeSignals(const std::vector<domain::ImageSignals>& signals) {
  Record record;
  Record::Signals* const out = record.mutable_signals();
  for (const domain::ImageSignals& image : signals) {
    Record::ImageSignals* const each = out->add_images();
    each->set_image_key(image.image_key);
    SetAll(image.embedding, each->mutable_embedding());
    SetAll(image.expected_objects, each->mutable_expected_objects());
    SetAll(image.uncertainty, each->mutable_uncertainty());
    each->set_disagreement(image.disagreement);
    SetBoxes(image.predictions, each->mutable_predictions());
    each->set_error(image.error);
    each->set_object_dim(image.object_dim);
    each->set_objects(std::string(image.objects.begin(), image.objects.end()));
  }
  return Serialize(record);
}

absl::StatusOr<std::vector<domain::ImageSignals>> ParseSignals(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kSignals, "a list of signals"));
  std::vector<domain::ImageSignals> signals;
  for (const Record::ImageSignals& each : record.signals().images()) {
    if (each.uncertainty_size() != each.expected_objects_size()) return Broken("a list of signals");
    domain::ImageSignals image;
    image.image_key = each.image_key();
    image.embedding = GetAll<float>(each.embedding());
    image.expected_objects = GetAll<float>(each.expected_objects());
    image.uncertainty = GetAll<float>(each.uncertainty());
    image.disagreement = each.disagreement();
    MGRAL_ASSIGN_OR_RETURN(image.predictions, GetBoxes(each.predictions()));
    image.error = each.error();
    if (!ObjectsFit(each)) return Broken("a list of signals");
    image.object_dim = each.object_dim();
    image.objects.assign(each.objects().begin(), each.objects().end());
    signals.push_back(std::move(image));
  }
  return signals;
}

absl::StatusOr<std::string> SerializeManifest(const Manifest& manifest) {
  Record record;
  Record::Manifest* const out = record.mutable_manifest();
  out->set_examples_sha256(manifest.examples_sha256);
  out->set_cold_start(manifest.cold_start);
  for (const domain::RealizedGain& gain : manifest.realized) SetGain(gain, out->add_realized());
  return Serialize(record);
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view bytes) {
  if (IsLegacyRecord(bytes)) return ParseLegacyManifest(bytes);
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kManifest, "a snapshot's manifest"));
  const Record::Manifest& in = record.manifest();
  Manifest manifest{in.examples_sha256(), in.cold_start(), {}};
  for (const Record::RealizedGain& each : in.realized()) {
    if (each.features_size() > 0) manifest.realized.push_back(GetGain(each));
  }
  return manifest;
}

}  // namespace mgral::cycle
