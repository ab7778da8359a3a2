// `mgral fidelity`: a look-up table's estimates for batches, against the gains of real trainings.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/fidelity/fidelity_results.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/progress.h"
#include "client/cpp/simulate/protocol.h"

namespace mgral::client {

struct FidelityOptions {
  // Dataset and split, initial labels, profile, training, rates, `out`, `resume`, `keep_pools` as
  // for a simulation; `seeds` are those of the truth's trainings. Other fields have no effect.
  SimulateOptions replay;
  // Of the initial labels, the batches, the halves of the test, and the table's own detector.
  int64_t seed = 0;
  int base_seeds = 6;  // trainings with the initial labels alone; at least one for each of `seeds`
  int batches = 60;
  int smallest = 5, largest = 50;  // images in a batch
  // Whose choices are among the batches.
  std::vector<std::string> strategies = {"mgral", "lookup_greedy", "class_balanced", "entropy",
                                         "core_set"};
  std::string also_profile;  // empty: none
  int also_batches = 40;     // the first ones
};

// Numbers and names that cannot be right are InvalidArgument and name the option.
absl::Status CheckFidelityOptions(const FidelityOptions& options);

// The partition, as a simulation's. FailedPrecondition, saying what is missing, where the pool has
// too few images for a batch or one half of the test images has no objects.
absl::StatusOr<Partition> FidelityPartition(const Dataset& dataset, const FidelityOptions& options);

// Of the trainings without a batch: options.replay.seeds, and others up to base_seeds.
std::vector<int64_t> BaseSeeds(const FidelityOptions& options);

// The halves of the test images: positions in Partition::test, by TestPart.
std::vector<std::vector<int>> TestParts(const Partition& partition, int64_t seed);

// Runs a cycle with the initial labels, composes the batches, has the table estimate each, and
// writes OUT/fidelity.json. With `resume`, what is there already is returned instead: its batches
// and estimates stay as they are. FailedPrecondition where the server has no table, or the file is
// of another protocol ("--resume: ...").
absl::StatusOr<FidelityResults> EstimateBatches(Client& client, const Dataset& dataset,
                                                const Partition& partition,
                                                const FidelityOptions& options,
                                                ProgressBar& progress);

// Trains and tests what `results` lacks: detectors of the initial labels, then for each seed one of
// them and each batch; the same with options.also_profile. OUT/fidelity.json is written anew
// after every training; its summary and OUT/fidelity.html after every tenth, and at the end, also
// of an error. `progress` counts the trainings.
absl::Status MeasureTruth(Client& client, const Dataset& dataset, const Partition& partition,
                          const FidelityOptions& options, FidelityResults* results,
                          ProgressBar& progress);

// Writes OUT/fidelity.json without its summary.
absl::Status WriteTrainings(const FidelityResults& results, const std::string& out);
// Writes OUT/fidelity.json and OUT/fidelity.html.
absl::Status WriteAll(const FidelityResults& results, const std::string& out);

}  // namespace mgral::client
