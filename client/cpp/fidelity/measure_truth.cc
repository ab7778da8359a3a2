// The truth's side of `mgral fidelity`: a detector for each batch and seed.
#include <algorithm>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "client/cpp/fidelity/fidelity.h"
#include "client/cpp/simulate/cycle_figures.h"
#include "client/cpp/simulate/pool_work.h"
#include "client/cpp/simulate/test_accuracy.h"

namespace mgral::client {
namespace {

constexpr size_t kTrainingsPerReport = 10;  // a report's intervals take a second

class Truth {
 public:
  Truth(Client& client, const Dataset& dataset, const Partition& partition,
        const FidelityOptions& options, const FidelityResults& results, ProgressBar& progress)
      : client_(client),
        dataset_(dataset),
        partition_(partition),
        options_(options),
        results_(results),
        progress_(progress),
        parts_(TestParts(partition, options.seed)),
        labeled_(DrawInitial(partition.train, options.replay.initial, options.seed)) {
    for (int position : partition.train) {
      by_id_[dataset.images[position].image_id] = position;
    }
  }

  // Those that are needed, in the order in which they are made.
  std::vector<TrainingKey> Keys() const;
  absl::StatusOr<Training> Train(const TrainingKey& key);

 private:
  absl::StatusOr<std::vector<int>> TrainingImages(const TrainingKey& key) const;
  absl::StatusOr<std::string> CreatePool(const TrainingKey& key);

  Client& client_;
  const Dataset& dataset_;
  const Partition& partition_;
  const FidelityOptions& options_;
  const FidelityResults& results_;
  ProgressBar& progress_;
  const std::vector<std::vector<int>> parts_;
  const std::vector<int> labeled_;
  std::unordered_map<std::string, int> by_id_;  // the pool's images
};

std::vector<TrainingKey> Truth::Keys() const {
  std::vector<TrainingKey> keys;
  const auto add = [&](const std::string& profile, const std::vector<int64_t>& bases, int batches) {
    for (const int64_t seed : bases) keys.push_back({profile, seed, -1});
    for (const int64_t seed : options_.replay.seeds) {
      for (int batch = 0; batch < batches; ++batch) keys.push_back({profile, seed, batch});
    }
  };
  add("", BaseSeeds(options_), options_.batches);
  if (!options_.also_profile.empty()) {
    add(options_.also_profile, options_.replay.seeds,
        std::min(options_.also_batches, options_.batches));
  }
  return keys;
}

absl::StatusOr<std::vector<int>> Truth::TrainingImages(const TrainingKey& key) const {
  std::vector<int> images = labeled_;
  if (key.batch < 0) return images;
  if (static_cast<size_t>(key.batch) >= results_.batches.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--resume: the fidelity.json in --out has only ", results_.batches.size(), " batches"));
  }
  for (const std::string& image_id : results_.batches[static_cast<size_t>(key.batch)].images) {
    const auto at = by_id_.find(image_id);
    if (at == by_id_.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "--resume: batch ", key.batch, " of the fidelity.json in --out has the image \"",
          image_id, "\", which is not in the pool"));
    }
    images.push_back(at->second);
  }
  return images;
}

absl::StatusOr<std::string> Truth::CreatePool(const TrainingKey& key) {
  v1::CreatePoolRequest request;
  SimulateOptions replay = options_.replay;
  replay.profile = key.profile.empty() ? results_.protocol.value("profile", "") : key.profile;
  // Its own rules for steps and size.
  if (!key.profile.empty()) replay.training_steps = replay.input_size = 0;
  *request.mutable_pool() = PoolFor(replay, dataset_, "random", key.seed);
  request.mutable_pool()->set_display_name(
      absl::StrCat("fidelity: ", dataset_.name, ", seed ", key.seed,
                   key.batch < 0 ? ", base" : absl::StrCat(", batch ", key.batch)));
  absl::StatusOr<v1::Pool> created = client_.CreatePool(std::move(request));
  if (!created.ok()) return created.status();
  return created->name();
}

// In a pool that has no other images: there is nothing to rank.
absl::StatusOr<Training> Truth::Train(const TrainingKey& key) {
  const std::string who =
      absl::StrCat(key.profile, key.profile.empty() ? "seed " : ", seed ", key.seed,
                   key.batch < 0 ? ", initial labels" : absl::StrCat(", batch ", key.batch));
  absl::StatusOr<std::vector<int>> images = TrainingImages(key);
  if (!images.ok()) return images.status();
  absl::StatusOr<std::string> pool = CreatePool(key);
  if (!pool.ok()) return pool.status();
  absl::Status status =
      FillPool(client_, *pool, dataset_, {*images, partition_.validation, *images},
               options_.replay.server_path);
  if (!status.ok()) return status;
  absl::StatusOr<v1::Cycle> cycle = RunCycle(
      client_, *pool, /*with_table=*/false, who,
      [&](const std::string& stage) { progress_.SetNote(absl::StrCat(who, ": ", stage)); });
  if (!cycle.ok()) return cycle.status();
  progress_.SetNote(absl::StrCat(who, ": testing"));
  absl::StatusOr<std::vector<TestAccuracy>> accuracy = MeasureOnSubsets(
      client_, cycle->model(), dataset_, partition_.test, parts_, options_.replay.server_path);
  if (!accuracy.ok()) return accuracy.status();
  Training training;
  training.seconds = SecondsOf(*cycle);
  for (size_t part = 0; part < kTestParts; ++part) {
    training.map50[part] = (*accuracy)[part].map50;
    training.class_ap50[part] = (*accuracy)[part].class_ap50;
  }
  if (!options_.replay.keep_pools) status = client_.DeletePool(*pool, /*force=*/true);
  if (!status.ok()) return status;
  return training;
}

}  // namespace

absl::Status MeasureTruth(Client& client, const Dataset& dataset, const Partition& partition,
                          const FidelityOptions& options, FidelityResults* results,
                          ProgressBar& progress) {
  Truth truth(client, dataset, partition, options, *results, progress);
  const std::vector<TrainingKey> keys = truth.Keys();
  progress.SetTotal(static_cast<int64_t>(keys.size()));
  progress.StartFrom(std::count_if(keys.begin(), keys.end(), [&](const TrainingKey& key) {
    return results->trainings.count(key) > 0;
  }));
  absl::Status status;
  for (const TrainingKey& key : keys) {
    if (results->trainings.count(key) > 0) continue;
    absl::StatusOr<Training> training = truth.Train(key);
    status = training.status();
    if (!status.ok()) break;
    results->trainings[key] = *std::move(training);
    progress.Add();
    status = results->trainings.size() % kTrainingsPerReport == 0
                 ? WriteAll(*results, options.replay.out)
                 : WriteTrainings(*results, options.replay.out);
    if (!status.ok()) return status;
  }
  // Also where nothing was left to do: the report of this release.
  const absl::Status written = WriteAll(*results, options.replay.out);
  return status.ok() ? written : status;
}

}  // namespace mgral::client
