#include "client/cpp/simulate/play_strategy.h"

#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/simulate/cycle_figures.h"
#include "client/cpp/simulate/test_accuracy.h"

namespace mgral::client {
namespace {

constexpr int64_t kLeaseSeconds = 24 * 3600;

class Play {
 public:
  Play(Client& client, const Dataset& dataset, const Partition& partition,
       const SimulateOptions& options, const PlayListener& listener, StrategyRun* run,
       std::vector<LookupRow>* lookup)
      : client_(client),
        dataset_(dataset),
        partition_(partition),
        options_(options),
        listener_(listener),
        run_(*run),
        lookup_(*lookup) {
    for (int position : partition.train) by_id_[dataset.images[position].image_id] = position;
  }

  absl::Status Begin();
  // Trains on the labels given so far and measures; then picks and labels, if there is more to do.
  absl::Status Cycles();
  absl::Status End();

 private:
  absl::Status Register();
  absl::Status LabelInitially();
  absl::StatusOr<v1::Cycle> Train(bool with_table);
  absl::Status Measure(const v1::Cycle& cycle, CurvePoint* point);
  // The next batch, labeled. An empty batch in `point`: the pool has nothing left.
  absl::Status PickAndLabel(CurvePoint* point);
  absl::Status Ingest(const std::vector<int>& positions, v1::ImageUse use,
                      const std::string& batch);
  void Say(const std::string& words) const {
    if (listener_.doing) listener_.doing(words);
  }

  Client& client_;
  const Dataset& dataset_;
  const Partition& partition_;
  const SimulateOptions& options_;
  const PlayListener& listener_;
  StrategyRun& run_;
  std::vector<LookupRow>& lookup_;
  std::unordered_map<std::string, int> by_id_;  // the pool's images
  std::string last_batch_;                      // its resource name
  int64_t labels_ = 0;
};

absl::Status Play::Begin() {
  v1::CreatePoolRequest request;
  v1::Pool* pool = request.mutable_pool();
  pool->set_display_name(
      absl::StrCat("simulation: ", dataset_.name, ", ", run_.strategy, ", seed ", run_.seed));
  for (const std::string& name : dataset_.classes) pool->add_classes(name);
  pool->mutable_detector()->set_profile(options_.profile);
  pool->mutable_detector()->set_warm_start(options_.warm_start);
  pool->mutable_detector()->set_training_steps(options_.training_steps);
  pool->mutable_detector()->set_input_size(options_.input_size);
  pool->mutable_selection()->set_strategy(run_.strategy);
  pool->mutable_selection()->set_batch_size(options_.batch);
  pool->mutable_selection()->set_probes(options_.probes);
  pool->mutable_selection()->set_replay_probes(options_.replay_probes);
  pool->mutable_selection()->set_seed(run_.seed);
  absl::StatusOr<v1::Pool> created = client_.CreatePool(std::move(request));
  if (!created.ok()) return created.status();
  run_.pool = created->name();
  run_.profile = created->detector().profile();
  if (absl::Status status = Register(); !status.ok()) return status;
  return LabelInitially();
}

absl::Status Play::Register() {
  Say("registering images");
  std::vector<std::pair<int, v1::ImageUse>> order;
  for (int position : partition_.train) order.emplace_back(position, v1::IMAGE_USE_TRAINING);
  for (int position : partition_.validation) order.emplace_back(position, v1::IMAGE_USE_VALIDATION);
  size_t next = 0;
  const Source<v1::NewImage> source = [&]() -> absl::StatusOr<std::optional<v1::NewImage>> {
    if (next == order.size()) return std::optional<v1::NewImage>();
    const auto& [position, use] = order[next++];
    absl::StatusOr<v1::NewImage> image =
        ToNewImage(dataset_.images[position], use, options_.server_path);
    if (!image.ok()) return image.status();
    return std::optional<v1::NewImage>(*std::move(image));
  };
  absl::StatusOr<RegisterResult> result = client_.RegisterImages(run_.pool, source);
  if (!result.ok()) return result.status();
  if (!result->refused.empty()) {
    const v1::RefusedImage& first = result->refused.front();
    return absl::FailedPreconditionError(absl::StrCat("the server refused ", result->refused.size(),
                                                      " images, the first is ", first.image_id(),
                                                      " (", first.field(), "): ", first.reason()));
  }
  return absl::OkStatus();
}

absl::Status Play::LabelInitially() {
  absl::Status status = Ingest(partition_.validation, v1::IMAGE_USE_VALIDATION, "");
  if (!status.ok()) return status;
  const std::vector<int> initial = DrawInitial(partition_.train, options_.initial, run_.seed);
  labels_ = static_cast<int64_t>(initial.size());
  return Ingest(initial, v1::IMAGE_USE_TRAINING, "");
}

absl::Status Play::Ingest(const std::vector<int>& positions, v1::ImageUse use,
                          const std::string& batch) {
  std::vector<v1::NewLabels> labels;
  for (int position : positions) {
    labels.push_back(ToNewLabels(dataset_, dataset_.images[position]));
    labels.back().set_use(use);
    labels.back().set_batch(batch);
  }
  absl::StatusOr<IngestResult> result = client_.IngestLabels(run_.pool, FromVector(labels));
  if (!result.ok()) return result.status();
  if (!result->refused.empty()) {
    const v1::RefusedLabels& first = result->refused.front();
    return absl::FailedPreconditionError(absl::StrCat(
        "the server refused the labels of ", result->refused.size(), " images, the first is ",
        first.image_id(), " (", first.field(), "): ", first.reason()));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Cycle> Play::Train(bool with_table) {
  v1::StartCycleRequest request;
  request.set_parent(run_.pool);
  request.set_without_table(!with_table);
  absl::StatusOr<v1::Cycle> cycle = client_.StartCycle(std::move(request));
  if (!cycle.ok()) return cycle.status();
  cycle = client_.WatchCycle(cycle->name(), [this](const v1::Cycle& news) {
    Say(absl::StrCat(labels_, " labels: ", DescribeStage(news)));
  });
  if (!cycle.ok()) return cycle.status();
  if (cycle->state() != v1::CYCLE_STATE_SUCCEEDED) {
    return absl::AbortedError(absl::StrCat(
        cycle->name(), " (", run_.strategy, ", seed ", run_.seed, ", ", labels_, " labels) ",
        cycle->state() == v1::CYCLE_STATE_CANCELLED ? "was canceled" : "failed: ", cycle->error()));
  }
  AddStageSeconds(*cycle, &run_.seconds);
  return cycle;
}

absl::Status Play::Measure(const v1::Cycle& cycle, CurvePoint* point) {
  Say(absl::StrCat(labels_, " labels: testing"));
  absl::StatusOr<TestAccuracy> accuracy = MeasureOnTest(
      client_, cycle.model(), dataset_, partition_.test, options_.server_path, nullptr);
  if (!accuracy.ok()) return accuracy.status();
  point->labels = labels_;
  point->map50 = accuracy->map50;
  point->map = accuracy->map;
  point->class_ap50 = accuracy->class_ap50;
  point->validation_map50 = cycle.map50();
  if (!run_.points.empty() && point->map50 && run_.points.back().map50) {
    point->test_gain = *point->map50 - *run_.points.back().map50;
  }
  if (cycle.has_realised_gain()) point->realized_gain = cycle.realised_gain();
  if (!last_batch_.empty()) {
    absl::StatusOr<v1::Batch> batch = client_.GetBatch(last_batch_);
    if (!batch.ok()) return batch.status();
    if (batch->has_realised_gain()) point->realized_gain = batch->realised_gain().mean();
  }
  run_.points.push_back(*point);
  if (cycle.has_table()) lookup_.push_back(TableRow(cycle, run_));
  return listener_.measured ? listener_.measured() : absl::OkStatus();
}

absl::Status Play::PickAndLabel(CurvePoint* point) {
  v1::QueryBatchRequest request;
  request.set_parent(run_.pool);
  request.set_size(options_.batch);
  request.set_strategy(run_.strategy);
  request.mutable_lease_duration()->set_seconds(kLeaseSeconds);
  request.set_annotator("mgral simulate");
  request.set_allow_fewer(true);
  const absl::Time start = absl::Now();
  absl::StatusOr<v1::Batch> batch = client_.QueryBatch(std::move(request));
  run_.seconds.query = run_.seconds.query.value_or(0) + absl::ToDoubleSeconds(absl::Now() - start);
  if (!batch.ok()) return batch.status();
  last_batch_ = batch->name();
  point->strategy_used = batch->strategy();
  point->strategy_note = batch->strategy_note();
  if (batch->has_estimated_gain()) {
    point->estimated_gain = batch->estimated_gain().mean();
    point->estimated_gain_se = batch->estimated_gain().standard_error();
  }
  std::vector<int> positions;
  for (const v1::BatchImage& image : batch->images()) {
    const auto known = by_id_.find(image.image_id());
    if (known == by_id_.end()) {
      return absl::InternalError(absl::StrCat("the server handed out \"", image.image_id(),
                                              "\", which is not an image of the pool"));
    }
    positions.push_back(known->second);
    point->batch.push_back(image.image_id());
    Pick pick;
    pick.image_id = image.image_id();
    pick.cell = image.cell();
    pick.reason = image.reason();
    if (image.expected_gain_size() > 0) {
      pick.gain_class = image.expected_gain(0).class_name();
      pick.gain = image.expected_gain(0).mean();
    }
    point->picks.push_back(std::move(pick));
  }
  labels_ += static_cast<int64_t>(positions.size());
  return Ingest(positions, v1::IMAGE_USE_TRAINING, batch->name());
}

absl::Status Play::Cycles() {
  const int64_t most = static_cast<int64_t>(partition_.train.size());
  CurvePoint point;
  for (int k = 0;; ++k) {
    // The last detector is only measured: nothing will be picked with a table of it.
    const bool last = k == options_.cycles || labels_ >= most;
    absl::StatusOr<v1::Cycle> cycle = Train(!last && NeedsTable(run_.strategy));
    if (!cycle.ok()) return cycle.status();
    if (absl::Status status = Measure(*cycle, &point); !status.ok()) return status;
    if (last) return absl::OkStatus();
    point = CurvePoint();
    if (absl::Status status = PickAndLabel(&point); !status.ok()) return status;
    if (point.batch.empty()) {
      return absl::InternalError(absl::StrCat("the server handed out an empty batch while ",
                                              most - labels_, " images have no labels"));
    }
  }
}

absl::Status Play::End() {
  run_.complete = true;
  if (options_.keep_pools) return absl::OkStatus();
  return client_.DeletePool(run_.pool, /*force=*/true);
}

}  // namespace

absl::Status PlayStrategy(Client& client, const Dataset& dataset, const Partition& partition,
                          const SimulateOptions& options, const std::string& strategy, int64_t seed,
                          const PlayListener& listener, StrategyRun* run,
                          std::vector<LookupRow>* lookup) {
  run->strategy = strategy;
  run->seed = seed;
  Play play(client, dataset, partition, options, listener, run, lookup);
  absl::Status status = play.Begin();
  if (status.ok()) status = play.Cycles();
  if (status.ok()) status = play.End();
  return status;
}

}  // namespace mgral::client
