#include "client/cpp/simulate/protocol.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/synth/seeded_random.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

constexpr double kTrainShare = 0.60;
constexpr double kValidationShare = 0.15;
constexpr double kSetAsideShare = 0.2;
constexpr int kMostSeeds = 100;
constexpr int kMostCycles = 1000;
constexpr int kMostBatch = 10000;
constexpr double kLeastSeconds = 0.001;  // the server's limits
constexpr int kMostSeconds = 86400;
// Streams of random numbers that must not be the same.
enum Stream : uint64_t { kSplitStream = 11, kValidationStream, kLimitStream, kInitialStream };

// Moves a seeded share of `from` to the result, at least one image if there is any.
std::vector<int> TakeShare(double share, Stream stream, std::vector<int>* from) {
  std::vector<int> shuffled = *from;
  SeededRandom(0, stream).Shuffle(shuffled);
  size_t count = static_cast<size_t>(std::lround(share * static_cast<double>(shuffled.size())));
  if (share > 0 && !shuffled.empty()) count = std::clamp<size_t>(count, 1, shuffled.size());
  std::vector<int> taken(shuffled.begin(), shuffled.begin() + static_cast<long>(count));
  from->assign(shuffled.begin() + static_cast<long>(count), shuffled.end());
  std::sort(taken.begin(), taken.end());
  std::sort(from->begin(), from->end());
  return taken;
}

void Limit(int limit, uint64_t part, std::vector<int>* images) {
  if (limit <= 0 || static_cast<int>(images->size()) <= limit) return;
  SeededRandom(part, kLimitStream).Shuffle(*images);
  images->resize(static_cast<size_t>(limit));
  std::sort(images->begin(), images->end());
}

Partition SplitBySeed(const Dataset& dataset) {
  std::vector<int> all(dataset.images.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
  SeededRandom(0, kSplitStream).Shuffle(all);
  const auto at = [&all](double share) {
    return all.begin() + std::lround(share * static_cast<double>(all.size()));
  };
  Partition partition;
  partition.seeded_split = true;
  partition.train.assign(all.begin(), at(kTrainShare));
  partition.validation.assign(at(kTrainShare), at(kTrainShare + kValidationShare));
  partition.test.assign(at(kTrainShare + kValidationShare), all.end());
  for (std::vector<int>* part : {&partition.train, &partition.validation, &partition.test}) {
    std::sort(part->begin(), part->end());
  }
  return partition;
}

}  // namespace

absl::StatusOr<Partition> MakePartition(const Dataset& dataset, const SimulateOptions& options) {
  Partition partition;
  if (dataset.splits) {
    partition.train = dataset.splits->train;
    partition.validation = dataset.splits->validation;
    partition.test = dataset.splits->test;
  } else {
    partition = SplitBySeed(dataset);
  }
  Limit(options.limit, 0, &partition.train);
  Limit(options.limit, 1, &partition.validation);
  Limit(options.limit, 2, &partition.test);
  if (partition.validation.empty()) {
    partition.validation = TakeShare(options.val_fraction.value_or(kSetAsideShare),
                                     kValidationStream, &partition.train);
  } else if (options.val_fraction && *options.val_fraction < 1) {
    std::vector<int> rest = partition.validation;
    partition.validation = TakeShare(*options.val_fraction, kValidationStream, &rest);
  }
  if (partition.test.empty()) {
    return absl::FailedPreconditionError(
        "the split has no \"test\" images: nothing could be measured");
  }
  if (partition.validation.empty()) {
    return absl::FailedPreconditionError("there are no validation images: raise --val-fraction");
  }
  if (static_cast<int>(partition.train.size()) < options.initial + (options.cycles > 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the pool has ", partition.train.size(), " images, and --initial would label ",
                     options.initial, " of them: nothing would be left to pick"));
  }
  return partition;
}

Variant VariantOf(const SimulateOptions& options, const std::string& label) {
  const auto variant = options.variants.find(label);
  return variant == options.variants.end() ? Variant{label, {}, {}} : variant->second;
}

v1::Pool PoolFor(const SimulateOptions& options, const Dataset& dataset, const std::string& label,
                 int64_t seed) {
  const Variant variant = VariantOf(options, label);
  v1::Pool pool;
  pool.set_display_name(absl::StrCat("simulation: ", dataset.name, ", ", label, ", seed ", seed));
  for (const std::string& name : dataset.classes) pool.add_classes(name);
  v1::DetectorSettings& detector = *pool.mutable_detector();
  detector.set_profile(options.profile);
  detector.set_warm_start(options.warm_start);
  detector.set_training_steps(options.training_steps);
  detector.set_input_size(options.input_size);
  v1::SelectionSettings& selection = *pool.mutable_selection();
  selection.set_strategy(SeesLabels(variant.strategy) ? "random" : variant.strategy);
  selection.set_batch_size(options.batch);
  selection.set_probes(options.probes);
  selection.set_replay_probes(variant.replay_probes.value_or(options.replay_probes));
  if (variant.uniform_share) selection.set_uniform_share(*variant.uniform_share);
  selection.set_seed(seed);
  selection.set_seconds_per_image(options.seconds_per_image);
  selection.set_seconds_per_box(options.seconds_per_box);
  return pool;
}

std::vector<int> DrawInitial(const std::vector<int>& train, int count, int64_t seed) {
  std::vector<int> shuffled = train;
  SeededRandom(static_cast<uint64_t>(seed), kInitialStream).Shuffle(shuffled);
  shuffled.resize(std::min(shuffled.size(), static_cast<size_t>(count)));
  std::sort(shuffled.begin(), shuffled.end());
  return shuffled;
}

Number CostOf(const CurvePoint& point, const SimulateOptions& options) {
  if (!point.boxes) return std::nullopt;
  return options.seconds_per_image * static_cast<double>(point.labels) +
         options.seconds_per_box * *point.boxes;
}

bool NeedsTable(const std::string& strategy) {
  const auto known = domain::StrategyNamed(strategy);
  return known && domain::InfoOf(*known).needs_table;
}

bool SharesFirstCycle(const std::string& strategy) {
  if (SeesLabels(strategy)) return true;
  const auto known = domain::StrategyNamed(strategy);
  return known && domain::InfoOf(*known).cheap && !domain::InfoOf(*known).needs_table;
}

absl::Status InRange(const char* option, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": ", value, " is not in ", low, "..", high));
}

absl::Status CheckOptions(const SimulateOptions& options) {
  if (options.strategies.empty()) {
    return absl::InvalidArgumentError("--strategies: at least one is needed");
  }
  std::set<std::string> seen;
  for (const std::string& strategy : options.strategies) {
    if (strategy.empty() || !seen.insert(strategy).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--strategies: \"", strategy, "\" is empty or given twice"));
    }
  }
  if (options.seeds.empty()) return absl::InvalidArgumentError("--seeds: at least one is needed");
  if (std::set<int64_t>(options.seeds.begin(), options.seeds.end()).size() !=
      options.seeds.size()) {
    return absl::InvalidArgumentError("--seeds: a seed is given twice");
  }
  if (options.val_fraction && !(*options.val_fraction > 0 && *options.val_fraction <= 1)) {
    return absl::InvalidArgumentError("--val-fraction: more than 0 and at most 1 expected");
  }
  const std::pair<const char*, int> counts[] = {{"--training-steps", options.training_steps},
                                                {"--input-size", options.input_size},
                                                {"--probes", options.probes},
                                                {"--limit", options.limit}};
  for (const auto& [option, value] : counts) {
    if (value < 0) return InRange(option, value, 0, 1 << 30);
  }
  const std::pair<const char*, double> rates[] = {
      {"--seconds-per-image", options.seconds_per_image},
      {"--seconds-per-box", options.seconds_per_box}};
  for (const auto& [option, value] : rates) {
    if (value != 0 && !(value >= kLeastSeconds && value <= kMostSeconds)) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, ": 0, or ", kLeastSeconds, " to ", kMostSeconds, " expected"));
    }
  }
  if (options.seconds_per_image + options.seconds_per_box <= 0) {
    return absl::InvalidArgumentError("--seconds-per-image and --seconds-per-box are both 0");
  }
  absl::Status status = InRange("--replay-probes", options.replay_probes, -1, kMostReplayProbes);
  if (status.ok()) status = InRange("--initial", options.initial, 1, 1000000);
  if (status.ok()) status = InRange("--batch", options.batch, 1, kMostBatch);
  if (status.ok()) status = InRange("--cycles", options.cycles, 0, kMostCycles);
  return status;
}

absl::StatusOr<std::vector<int64_t>> ParseSeeds(const std::string& text) {
  std::vector<int64_t> seeds;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int64_t seed = 0;
    if (!absl::SimpleAtoi(part, &seed) || seed < 0) {
      return absl::InvalidArgumentError(absl::StrCat("--seeds: \"", part, "\" is not a seed"));
    }
    seeds.push_back(seed);
  }
  if (text.find(',') == std::string::npos) {
    const int64_t count = seeds[0];
    if (absl::Status status = InRange("--seeds", count, 1, kMostSeeds); !status.ok()) return status;
    seeds.clear();
    for (int64_t seed = 1; seed <= count; ++seed) seeds.push_back(seed);
  }
  return seeds;
}

nlohmann::ordered_json DescribeProtocol(const SimulateOptions& options, const Partition& partition,
                                        const Dataset& dataset) {
  const auto or_default = [](int value) {
    return value == 0 ? nlohmann::ordered_json("profile's own") : nlohmann::ordered_json(value);
  };
  nlohmann::ordered_json protocol = {
      {"strategies", options.strategies},
      {"seeds", options.seeds},
      {"initial_labels", options.initial},
      {"initial_set", "drawn at random by the seed, the same for every strategy"},
      {"batch_size", options.batch},
      {"cycles", options.cycles},
      {"seconds_per_image", options.seconds_per_image},
      {"seconds_per_box", options.seconds_per_box},
      {"profile", options.profile},
      {"training_steps", or_default(options.training_steps)},
      {"input_size", or_default(options.input_size)},
      {"probes", or_default(options.probes)},
      {"replay_probes", or_default(options.replay_probes)},
      {"warm_start", options.warm_start},
      {"images", dataset.images.size()},
      {"pool_images", partition.train.size()},
      {"validation_images", partition.validation.size()},
      {"test_images", partition.test.size()},
      {"val_fraction", ToJson(options.val_fraction)},
      {"split", partition.seeded_split ? "drawn by mgral simulate, 60 : 15 : 25" : "the dataset's"},
      {"measured_by", "mgral simulate, VOC AP@.5 (area) and COCO AP@[.5:.95] on test images"}};
  for (const auto& [label, variant] : options.variants) {
    protocol["variants"][label] = SpecOf(variant);
  }
  return protocol;
}

}  // namespace mgral::client
