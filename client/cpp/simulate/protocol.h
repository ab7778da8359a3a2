// Which images a simulation trains on, validates on, tests on and begins with. Plain functions of
// the dataset and the seeds: every strategy gets the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"
#include "client/cpp/simulate/variant.h"
#include "mgral/v1/pool_service.pb.h"

namespace mgral::client {

struct SimulateOptions {
  std::string dataset;  // folder
  std::string splits;   // file; empty: the dataset's own, or a seeded split
  std::vector<std::string> strategies = {"mgral", "random"};  // or labels of variants
  Variants variants;
  int initial = 40;
  int batch = 20;
  // Batches that are picked and labeled; curves have one point more. 0: the initial labels alone.
  int cycles = 4;
  std::vector<int64_t> seeds = {1};
  std::string profile;     // empty: the server's default
  std::string out;         // folder
  int training_steps = 0;  // these four: 0 for the server's own
  int input_size = 0;
  int probes = 0;
  int replay_probes = 0;
  bool warm_start = false;
  bool keep_pools = false;
  bool resume = false;  // keep the finished runs that `out` holds
  // Take at most this many images of each part, seeded; 0: all.
  int limit = 0;
  // Of a validation split: the share that is labeled from the start (1 if missing). Without such
  // a split: the share of the pool that is set aside (0.2 if missing).
  std::optional<double> val_fraction;
  // The labeling cost, that curves are drawn over and pools choose by: of an image, and of each
  // true box in it.
  double seconds_per_image = 2;
  double seconds_per_box = 1;
  // Where the server finds the images below its image root; missing: their bytes are sent.
  std::optional<std::string> server_path;
};

// Positions in Dataset::images, no image in two lists.
struct Partition {
  std::vector<int> train;       // the pool that batches are picked from
  std::vector<int> validation;  // labeled from the start, never trained on
  std::vector<int> test;        // unknown to the service but for predictions
  bool seeded_split = false;    // the dataset had none
};

// Without a split of its own the dataset is cut 60 : 15 : 25. The partition depends on the dataset
// and options only, not on the run's seed: all runs are measured on the same images.
// FailedPrecondition, saying what is missing, when a part would be empty or the pool smaller than
// the initial labels.
absl::StatusOr<Partition> MakePartition(const Dataset& dataset, const SimulateOptions& options);

// What is played under a label: the variant, or the strategy of that name.
Variant VariantOf(const SimulateOptions& options, const std::string& label);

// What a run creates its pool with.
v1::Pool PoolFor(const SimulateOptions& options, const Dataset& dataset, const std::string& label,
                 int64_t seed);

// `count` of the pool's images, drawn by the seed alone: the same for every strategy. Nothing
// makes sure that every class is among them.
std::vector<int> DrawInitial(const std::vector<int>& train, int count, int64_t seed);

// Of the images and boxes that are labeled at a point of a curve; missing without a box count.
Number CostOf(const CurvePoint& point, const SimulateOptions& options);

// Strategies that need a look-up table; the others are answered from the detector and the
// embeddings, and so are names that this release does not know.
bool NeedsTable(const std::string& strategy);

// Strategies that any snapshot can answer without a table, or that ask it for nothing but its AP:
// those of a seed share its first cycle.
bool SharesFirstCycle(const std::string& strategy);

// InvalidArgument, naming the option, for what is not in [low, high].
absl::Status InRange(const char* option, int64_t value, int64_t low, int64_t high);

// Numbers and names that cannot be right are InvalidArgument and name the option.
absl::Status CheckOptions(const SimulateOptions& options);

// "1,2,5" are these seeds; a single number N without a comma is the seeds 1..N.
absl::StatusOr<std::vector<int64_t>> ParseSeeds(const std::string& text);

// What results.json says of how it was measured.
nlohmann::ordered_json DescribeProtocol(const SimulateOptions& options, const Partition& partition,
                                        const Dataset& dataset);

}  // namespace mgral::client
