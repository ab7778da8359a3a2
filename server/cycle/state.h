#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/cycle/files.h"
#include "server/cycle/run_cycle.h"

namespace mgral::cycle {

// The snapshot before a cycle, as far as the cycle needs it.
struct PreviousSnapshot {
  std::string weights_sha256;
  std::string manifest_sha256;  // see Manifest
  std::string selector_sha256;
  std::vector<double> class_ap50;  // NaN where unknown
  double map50 = 0;
};

// What a cycle works on, fixed by the first attempt at kTrain.
struct CycleInputs {
  uint64_t seed = 0;                // of the cycle; see StageSeed
  std::string examples_sha256;      // CycleExamples
  std::vector<std::string> shards;  // images to embed, one list per kEmbed job
  std::optional<PreviousSnapshot> previous;
};

// kTrain's result: the inputs and what came of them.
struct TrainedCycle {
  CycleInputs inputs;
  std::string weights_sha256;
  std::vector<double> class_ap50;
  double map50 = 0;
  bool cold_start = false;
};

// A gain that was measured, with the images as the detector before them saw them.
struct RealisedRecord {
  std::string signals_sha256;
  std::vector<double> class_gain;
};

// What a published snapshot leaves for the next cycle (Snapshot::manifest_sha256).
struct Manifest {
  std::vector<std::string> signals;  // of U and L
  std::string examples_sha256;
  bool cold_start = false;
  std::vector<RealisedRecord> realised;  // of this cycle and all before it
};

std::string ToJson(const CycleInputs& inputs);
std::string ToJson(const TrainedCycle& trained);
std::string ToJson(const Manifest& manifest);
absl::StatusOr<CycleInputs> ParseInputs(const std::string& json);
absl::StatusOr<TrainedCycle> ParseTrained(const std::string& json);
absl::StatusOr<Manifest> ParseManifest(const std::string& json);

// A number for every place where chance is used: the same for the same pool seed, number of the
// cycle and place, whoever does the work. Non-negative as a signed number.
uint64_t MixSeed(uint64_t seed, uint64_t place);

}  // namespace mgral::cycle
