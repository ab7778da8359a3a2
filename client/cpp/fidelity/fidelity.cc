#include "client/cpp/fidelity/fidelity.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "client/cpp/fidelity/fidelity_report.h"
#include "client/cpp/fidelity/fidelity_summary.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/synth/seeded_random.h"
#include "server/domain/strategy.h"

namespace mgral::client {
namespace {

constexpr uint64_t kHalvesStream = 41;
constexpr int kMostTrials = 10000;
constexpr int kMostBaseSeeds = 100;
constexpr char kExternal[] = "external";
constexpr char kFile[] = "fidelity.json";

// The snapshot of a single cycle answers them all.
absl::Status CheckStrategies(const std::vector<std::string>& strategies) {
  for (const std::string& name : strategies) {
    const auto strategy = domain::StrategyNamed(name);
    if (strategy && (domain::InfoOf(*strategy).cheap || *strategy == domain::Strategy::kMgral)) {
      continue;
    }
    std::string known;
    for (const domain::StrategyInfo& info : domain::Strategies()) {
      if (!info.cheap && info.strategy != domain::Strategy::kMgral) continue;
      absl::StrAppend(&known, known.empty() ? "" : ", ", info.name);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("--strategies: \"", name, "\" is not one that every cycle ranks by: ", known));
  }
  return absl::OkStatus();
}

absl::Status CheckSeeds(const FidelityOptions& options) {
  if (options.seed < 0) return absl::InvalidArgumentError("--seed: at least 0 expected");
  const std::vector<int64_t>& seeds = options.replay.seeds;
  if (std::find(seeds.begin(), seeds.end(), options.seed) == seeds.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--seed: ", options.seed,
                   " is among --seeds: the truth would be measured with the table's own detector"));
}

}  // namespace

absl::Status CheckFidelityOptions(const FidelityOptions& options) {
  absl::Status status = CheckOptions(options.replay);
  if (status.ok()) status = CheckSeeds(options);
  if (status.ok()) status = InRange("--base-seeds", options.base_seeds, 1, kMostBaseSeeds);
  if (status.ok()) status = InRange("--batches", options.batches, 1, kMostTrials);
  if (status.ok()) status = InRange("--smallest", options.smallest, 1, kMostTrials);
  if (status.ok()) {
    status = InRange("--largest", options.largest, options.smallest, kMostTrials);
  }
  if (status.ok()) status = InRange("--also-batches", options.also_batches, 1, kMostTrials);
  if (status.ok()) status = CheckStrategies(options.strategies);
  if (!status.ok()) return status;
  if (options.strategies.empty()) {
    return absl::InvalidArgumentError("--strategies: at least one is needed");
  }
  if (options.replay.profile == kExternal || options.also_profile == kExternal) {
    return absl::InvalidArgumentError(
        "--profile: an external detector is not trained, and has no look-up table");
  }
  if (!options.also_profile.empty() && options.also_profile == options.replay.profile) {
    return absl::InvalidArgumentError("--also-profile: the same as --profile");
  }
  return absl::OkStatus();
}

std::vector<int64_t> BaseSeeds(const FidelityOptions& options) {
  std::vector<int64_t> seeds = options.replay.seeds;
  for (int64_t seed = 1; static_cast<int>(seeds.size()) < options.base_seeds; ++seed) {
    const bool taken = std::find(seeds.begin(), seeds.end(), seed) != seeds.end();
    if (!taken && seed != options.seed) seeds.push_back(seed);
  }
  return seeds;
}

std::vector<std::vector<int>> TestParts(const Partition& partition, int64_t seed) {
  std::vector<std::vector<int>> parts(kTestParts);
  std::vector<int>& all = parts[kAllTest];
  all.resize(partition.test.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<int> shuffled = all;
  SeededRandom(static_cast<uint64_t>(seed), kHalvesStream).Shuffle(shuffled);
  const auto middle = shuffled.begin() + static_cast<long>(shuffled.size() / 2);
  parts[kFirstHalf].assign(shuffled.begin(), middle);
  parts[kSecondHalf].assign(middle, shuffled.end());
  return parts;
}

absl::StatusOr<Partition> FidelityPartition(const Dataset& dataset,
                                            const FidelityOptions& options) {
  absl::StatusOr<Partition> partition = MakePartition(dataset, options.replay);
  if (!partition.ok()) return partition.status();
  const int left = static_cast<int>(partition->train.size()) - options.replay.initial;
  if (left < options.largest) {
    return absl::FailedPreconditionError(
        absl::StrCat("the pool has ", left, " images beside the ", options.replay.initial,
                     " initial ones, and the largest batch is of ", options.largest,
                     ": lower --largest or --initial"));
  }
  const std::vector<std::vector<int>> parts = TestParts(*partition, options.seed);
  for (const TestPart half : {kFirstHalf, kSecondHalf}) {
    const bool any = std::any_of(parts[half].begin(), parts[half].end(), [&](int i) {
      const auto& boxes = dataset.images[partition->test[static_cast<size_t>(i)]].boxes;
      return std::any_of(boxes.begin(), boxes.end(),
                         [](const DatasetBox& box) { return !box.ignore; });
    });
    if (!any) {
      return absl::FailedPreconditionError(
          "one half of the test images has no objects: too few to measure a gain twice");
    }
  }
  return partition;
}

absl::Status WriteTrainings(const FidelityResults& results, const std::string& out) {
  return WriteFidelity(results, nullptr, (std::filesystem::path(out) / kFile).string());
}

absl::Status WriteAll(const FidelityResults& results, const std::string& out) {
  const std::filesystem::path folder(out);
  const FidelitySummary summary = Summarize(results);
  absl::Status status = WriteFidelity(results, SummaryToJson(summary), (folder / kFile).string());
  if (!status.ok()) return status;
  return ReplaceFile((folder / "fidelity.html").string(), RenderFidelity(results, summary));
}

}  // namespace mgral::client
