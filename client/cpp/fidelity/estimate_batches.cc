// The table's side of `mgral fidelity`: it is frozen before anything is measured.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/fidelity/fidelity.h"
#include "client/cpp/fidelity/resume_fidelity.h"
#include "client/cpp/fidelity/trial_batches.h"
#include "client/cpp/simulate/pool_work.h"

namespace mgral::client {
namespace {

constexpr int kMostAttempts = 50;

class Estimation {
 public:
  Estimation(Client& client, const Dataset& dataset, const Partition& partition,
             const FidelityOptions& options, ProgressBar& progress)
      : client_(client),
        dataset_(dataset),
        partition_(partition),
        options_(options),
        progress_(progress),
        labeled_(DrawInitial(partition.train, options.replay.initial, options.seed)) {
    const std::set<int> labeled(labeled_.begin(), labeled_.end());
    std::copy_if(partition.train.begin(), partition.train.end(), std::back_inserter(unlabeled_),
                 [&](int position) { return labeled.count(position) == 0; });
    for (int position : unlabeled_) by_id_[dataset.images[position].image_id] = position;
  }

  // Pool, labels, and the cycle that makes the table.
  absl::Status MakeTable(FidelityResults* results);
  absl::Status ComposeAll(FidelityResults* results);
  absl::Status EstimateAll(FidelityResults* results);
  absl::Status End() {
    return options_.replay.keep_pools ? absl::OkStatus() : client_.DeletePool(pool_, true);
  }

 private:
  absl::Status CreatePool(FidelityResults* results);
  absl::StatusOr<ComposedBatch> Ask(const TrialPlan& plan);
  absl::StatusOr<ComposedBatch> ComposeNew(TrialPlan plan);
  absl::Status Estimate(TrialBatch* batch);

  Client& client_;
  const Dataset& dataset_;
  const Partition& partition_;
  const FidelityOptions& options_;
  ProgressBar& progress_;
  const std::vector<int> labeled_;
  std::vector<int> unlabeled_;
  std::unordered_map<std::string, int> by_id_;  // the unlabeled ones
  std::set<std::set<int>> taken_;               // batches so far
  std::string pool_;
};

absl::Status Estimation::CreatePool(FidelityResults* results) {
  const std::vector<std::string>& strategies = options_.strategies;
  // The agent takes training, and is needed for its own choices only.
  const bool agent = std::find(strategies.begin(), strategies.end(), "mgral") != strategies.end();
  v1::CreatePoolRequest request;
  SimulateOptions replay = options_.replay;
  replay.batch = static_cast<int>(std::lround(std::sqrt(options_.smallest * options_.largest)));
  *request.mutable_pool() =
      PoolFor(replay, dataset_, agent ? "mgral" : "lookup_greedy", options_.seed);
  request.mutable_pool()->set_display_name(absl::StrCat("fidelity: ", dataset_.name, ", table"));
  absl::StatusOr<v1::Pool> created = client_.CreatePool(std::move(request));
  if (!created.ok()) return created.status();
  pool_ = created->name();
  results->protocol["profile"] = created->detector().profile();
  return absl::OkStatus();
}

absl::Status Estimation::MakeTable(FidelityResults* results) {
  if (absl::Status status = CreatePool(results); !status.ok()) return status;
  progress_.SetNote("registering images");
  const absl::Status status =
      FillPool(client_, pool_, dataset_, {partition_.train, partition_.validation, labeled_},
               options_.replay.server_path);
  if (!status.ok()) return status;
  absl::StatusOr<v1::Cycle> cycle =
      RunCycle(client_, pool_, /*with_table=*/true,
               absl::StrCat("the table's, ", labeled_.size(), " labels"),
               [&](const std::string& stage) { progress_.SetNote(stage); });
  if (!cycle.ok()) return cycle.status();
  if (!cycle->has_table()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the cycle made no look-up table: with ", labeled_.size(),
        " labels it may have been a cold start. Raise --initial, or see the server's log"));
  }
  const v1::TableReport& table = cycle->table();
  results->table = {{"model", cycle->model()},
                    {"replay_probes", table.replay_probes()},
                    {"validation_map50", cycle->map50()},
                    {"seconds_per_lookup", table.seconds_per_lookup()}};
  if (table.has_fidelity()) results->table["fidelity_over_probes"] = table.fidelity();
  return absl::OkStatus();
}

// Has the server choose a batch, and gives its images back at once.
absl::StatusOr<ComposedBatch> Estimation::Ask(const TrialPlan& plan) {
  const std::vector<std::string>& strategies = options_.strategies;
  ComposedBatch composed;
  composed.of = strategies[static_cast<size_t>(plan.number) % strategies.size()];
  v1::QueryBatchRequest request;
  request.set_parent(pool_);
  request.set_size(plan.size);
  request.set_strategy(composed.of);
  request.set_annotator("mgral fidelity");
  absl::StatusOr<v1::Batch> batch = client_.QueryBatch(std::move(request));
  if (!batch.ok()) return batch.status();
  const absl::StatusOr<v1::Batch> released = client_.ReleaseBatch(batch->name());
  if (!released.ok()) return released.status();
  if (batch->strategy() != composed.of) {
    return absl::FailedPreconditionError(absl::StrCat("the server chose by \"", batch->strategy(),
                                                      "\" instead of \"", composed.of,
                                                      "\": ", batch->strategy_note()));
  }
  for (const v1::BatchImage& image : batch->images()) {
    const auto at = by_id_.find(image.image_id());
    if (at == by_id_.end()) {
      return absl::InternalError(absl::StrCat("the server handed out \"", image.image_id(),
                                              "\", which is not an unlabeled image of the pool"));
    }
    composed.images.push_back(at->second);
  }
  return composed;
}

// A batch that there was not yet. A strategy's choice depends on the size alone: there, one image
// more is another attempt.
absl::StatusOr<ComposedBatch> Estimation::ComposeNew(TrialPlan plan) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    absl::StatusOr<ComposedBatch> composed =
        plan.kind == BatchKind::kSelected ? Ask(plan)
                                          : Compose(dataset_, labeled_, unlabeled_, plan,
                                                    static_cast<uint64_t>(options_.seed), attempt);
    if (!composed.ok()) return composed.status();
    if (taken_.emplace(composed->images.begin(), composed->images.end()).second) return composed;
    if (plan.kind == BatchKind::kSelected) {
      plan.size = plan.size < options_.largest ? plan.size + 1 : options_.smallest;
    }
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "only ", taken_.size(), " different batches were found among ", unlabeled_.size(),
      " unlabeled images: lower --batches, or widen --smallest to --largest"));
}

absl::Status Estimation::ComposeAll(FidelityResults* results) {
  for (const TrialPlan& plan : PlanTrials(options_.batches, options_.smallest, options_.largest,
                                          static_cast<uint64_t>(options_.seed))) {
    progress_.SetNote(absl::StrCat("composing batch ", results->batches.size() + 1));
    absl::StatusOr<ComposedBatch> composed = ComposeNew(plan);
    if (!composed.ok()) return composed.status();
    TrialBatch& batch = results->batches.emplace_back();
    batch.kind = NameOf(plan.kind);
    batch.of = composed->of;
    for (int position : composed->images) {
      const DatasetImage& image = dataset_.images[position];
      batch.images.push_back(image.image_id);
      batch.boxes += static_cast<int64_t>(image.boxes.size());
    }
  }
  return absl::OkStatus();
}

absl::Status Estimation::Estimate(TrialBatch* batch) {
  v1::EstimateGainRequest request;
  request.set_parent(pool_);
  for (const std::string& image_id : batch->images) request.add_image_ids(image_id);
  const absl::StatusOr<v1::EstimateGainResponse> response = client_.EstimateGain(request);
  if (!response.ok()) return response.status();
  batch->estimate = {response->gain().mean(), response->gain().standard_error()};
  for (const v1::ClassGain& gain : response->gain().classes()) {
    batch->classes.push_back({gain.mean(), gain.standard_error()});
  }
  return absl::OkStatus();
}

absl::Status Estimation::EstimateAll(FidelityResults* results) {
  for (TrialBatch& batch : results->batches) {
    if (absl::Status status = Estimate(&batch); !status.ok()) return status;
    progress_.Add();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FidelityResults> EstimateBatches(Client& client, const Dataset& dataset,
                                                const Partition& partition,
                                                const FidelityOptions& options,
                                                ProgressBar& progress) {
  FidelityResults results;
  results.dataset = dataset.name;
  results.classes = dataset.classes;
  results.protocol = DescribeFidelity(options, partition, dataset);
  const std::filesystem::path folder(options.replay.out);
  const std::string file = (folder / "fidelity.json").string();
  progress.SetTotal(options.batches);
  if (options.replay.resume && std::filesystem::exists(file)) {
    absl::StatusOr<FidelityResults> found = ReadFidelity(file);
    if (!found.ok()) return found.status();
    progress.StartFrom(options.batches);
    return GoOnWith(*std::move(found), std::move(results));
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat("--out: cannot make ", folder.string()));
  Estimation estimation(client, dataset, partition, options, progress);
  absl::Status status = estimation.MakeTable(&results);
  if (status.ok()) status = estimation.ComposeAll(&results);
  if (status.ok()) status = estimation.EstimateAll(&results);
  if (!status.ok()) return status;
  results.protocol["estimated"] =
      absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
  status = WriteAll(results, options.replay.out);
  if (status.ok()) status = estimation.End();
  if (!status.ok()) return status;
  return results;
}

}  // namespace mgral::client
