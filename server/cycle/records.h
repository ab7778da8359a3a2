#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/selection_runtime.h"

// What the stages of a cycle leave for one another, and its bytes: each Serialize function writes
// one mgral.cycle.Record (records.proto), the Parse function beside it reads that kind and no
// other. Serializing is deterministic; it gives FAILED_PRECONDITION for a record above 2 GiB.
// Parsing gives DATA_LOSS for anything else than a whole, consistent record, and never allocates
// more than the bytes warrant.
namespace mgral::cycle {

// The snapshot before a cycle, as far as the cycle needs it.
struct PreviousSnapshot {
  std::string weights_sha256;
  std::string manifest_sha256;
  std::string selector_sha256;     // empty without a selector
  std::vector<double> class_ap50;  // NaN where unknown
  double map50 = 0;
};

// The predictions of an external detector that a cycle ranks.
struct ExternalPredictions {
  int64_t set_key = 0;  // as domain::PredictionSet::key
  std::string model;
};

// What a cycle works on, fixed by the first attempt at kTrain.
struct CycleInputs {
  uint64_t seed = 0;                // of the cycle; see StageSeed
  std::string examples_sha256;      // CycleExamples
  std::vector<std::string> shards;  // images to embed, one list per kEmbed job, or their signals
  int64_t images = 0;               // in all shards
  std::optional<PreviousSnapshot> previous;     // of a detector that is trained
  std::optional<ExternalPredictions> external;  // of one that is not
  std::string start_sha256;  // imported weights that the training begins with, or empty
  std::optional<int64_t> import_version;  // as domain::Model's
};
absl::StatusOr<std::string> SerializeInputs(const CycleInputs& inputs);
absl::StatusOr<CycleInputs> ParseInputs(absl::string_view bytes);

// kTrain's result: the inputs and what came of them.
struct TrainedCycle {
  CycleInputs inputs;
  std::string weights_sha256;
  std::vector<double> class_ap50;
  double map50 = 0;
  bool cold_start = false;
};
absl::StatusOr<std::string> SerializeTrained(const TrainedCycle& trained);
absl::StatusOr<TrainedCycle> ParseTrained(absl::string_view bytes);

// Images to embed: key, id, source, size and label_revision only.
absl::StatusOr<std::string> SerializeImages(const std::vector<domain::Image>& images);
absl::StatusOr<std::vector<domain::Image>> ParseImages(absl::string_view bytes);

// The labeled images that a cycle trains and measures on.
struct CycleExamples {
  std::vector<domain::Example> training, validation;
};
absl::StatusOr<std::string> SerializeExamples(const CycleExamples& examples);
absl::StatusOr<CycleExamples> ParseExamples(absl::string_view bytes);

// Embeddings, signals and predictions.
absl::StatusOr<std::string> SerializeSignals(const std::vector<domain::ImageSignals>& signals);
absl::StatusOr<std::vector<domain::ImageSignals>> ParseSignals(absl::string_view bytes);

// What a published snapshot leaves for the next cycle.
struct Manifest {
  std::string examples_sha256;
  bool cold_start = false;
  std::vector<domain::RealizedGain> realized;  // of this cycle and all before it
};
absl::StatusOr<std::string> SerializeManifest(const Manifest& manifest);
absl::StatusOr<Manifest> ParseManifest(absl::string_view bytes);

}  // namespace mgral::cycle
