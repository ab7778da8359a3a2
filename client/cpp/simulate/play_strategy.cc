#include "client/cpp/simulate/play_strategy.h"

#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/simulate/best_of.h"
#include "client/cpp/simulate/cycle_figures.h"
#include "client/cpp/simulate/pool_work.h"
#include "client/cpp/simulate/test_accuracy.h"
#include "client/cpp/simulate/true_counts.h"

namespace mgral::client {
namespace {

constexpr int64_t kLeaseSeconds = 24 * 3600;

class Play {
 public:
  Play(Client& client, const PlayRequest& request, const PlayListener& listener, PlayResult result)
      : client_(client),
        request_(request),
        strategy_(VariantOf(request.options, request.strategy).strategy),
        listener_(listener),
        run_(result.run),
        lookup_(result.lookup),
        starts_(result.starts) {
    for (int position : request_.partition.train)
      by_id_[request_.dataset.images[position].image_id] = position;
  }

  absl::Status Begin();
  // Trains on the labels given so far and measures; then picks and labels, if there is more to do.
  absl::Status Cycles();
  absl::Status End();

 private:
  absl::Status Fill();
  void CountLabeled(const std::vector<int>& positions);
  absl::Status TakeSharedStart();
  absl::Status ShareStart();
  absl::StatusOr<v1::Cycle> Train(bool with_table);
  absl::Status Measure(const v1::Cycle& cycle, CurvePoint* point);
  // The next batch by a strategy, in `point`. An empty batch: the pool has nothing left.
  absl::StatusOr<v1::Batch> Pick(const std::string& strategy, StageSeconds* seconds,
                                 CurvePoint* point);
  // The same by a control that SeesLabels: such a batch has no name, and leases nothing.
  absl::StatusOr<v1::Batch> PickByTruth(const std::string& strategy, StageSeconds* seconds,
                                        CurvePoint* point);
  absl::Status LabelBatch(const CurvePoint& point, const std::string& batch);
  void Say(const std::string& words) const {
    if (listener_.doing) listener_.doing(words);
  }

  Client& client_;
  const PlayRequest& request_;
  const std::string strategy_;  // of the server, or one that SeesLabels
  const PlayListener& listener_;
  StrategyRun& run_;
  std::vector<LookupRow>& lookup_;
  std::map<std::string, SharedStart>& starts_;
  std::unordered_map<std::string, int> by_id_;  // the pool's images
  std::string last_batch_;                      // its resource name
  std::string model_;                           // of the latest cycle
  std::vector<int> labeled_;                    // training images
  int64_t boxes_ = 0;                           // in them
};

absl::Status Play::Begin() {
  v1::CreatePoolRequest request;
  *request.mutable_pool() = PoolFor(request_.options, request_.dataset, run_.strategy, run_.seed);
  absl::StatusOr<v1::Pool> created = client_.CreatePool(std::move(request));
  if (!created.ok()) return created.status();
  run_.pool = created->name();
  run_.profile = created->detector().profile();
  absl::Status status = Fill();
  if (status.ok() && request_.start != nullptr) status = TakeSharedStart();
  return status;
}

absl::Status Play::Fill() {
  Say("registering images");
  const Partition& partition = request_.partition;
  const std::vector<int> initial =
      DrawInitial(partition.train, request_.options.initial, run_.seed);
  CountLabeled(initial);
  return FillPool(client_, run_.pool, request_.dataset,
                  {partition.train, partition.validation, initial}, request_.options.server_path);
}

void Play::CountLabeled(const std::vector<int>& positions) {
  labeled_.insert(labeled_.end(), positions.begin(), positions.end());
  for (int position : positions)
    boxes_ += static_cast<int64_t>(request_.dataset.images[position].boxes.size());
}

absl::StatusOr<v1::Cycle> Play::Train(bool with_table) {
  const std::string labels = absl::StrCat(labeled_.size(), " labels");
  absl::StatusOr<v1::Cycle> cycle =
      RunCycle(client_, run_.pool, with_table,
               absl::StrCat(run_.strategy, ", seed ", run_.seed, ", ", labels),
               [&](const std::string& stage) { Say(absl::StrCat(labels, ": ", stage)); });
  if (cycle.ok()) AddStageSeconds(*cycle, &run_.seconds);
  return cycle;
}

absl::Status Play::Measure(const v1::Cycle& cycle, CurvePoint* point) {
  Say(absl::StrCat(labeled_.size(), " labels: testing"));
  model_ = cycle.model();
  absl::StatusOr<TestAccuracy> accuracy =
      MeasureOnTest(client_, cycle.model(), request_.dataset, request_.partition.test,
                    request_.options.server_path);
  if (!accuracy.ok()) return accuracy.status();
  point->labels = static_cast<int64_t>(labeled_.size());
  point->boxes = static_cast<double>(boxes_);
  point->cost = CostOf(*point, request_.options);
  point->seconds = SecondsOf(cycle);
  point->map50 = accuracy->map50;
  point->map = accuracy->map;
  point->class_ap50 = accuracy->class_ap50;
  point->validation_map50 = cycle.map50();
  if (!run_.points.empty()) {
    const CurvePoint& before = run_.points.back();
    if (point->map50 && before.map50) point->test_gain = *point->map50 - *before.map50;
    // The pool knows nothing of a shared first cycle.
    if (run_.points.size() == 1 && request_.start != nullptr && before.validation_map50) {
      point->realized_gain = cycle.map50() - *before.validation_map50;
    }
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

absl::StatusOr<v1::Batch> Play::Pick(const std::string& strategy, StageSeconds* seconds,
                                     CurvePoint* point) {
  *point = CurvePoint();
  if (SeesLabels(strategy)) return PickByTruth(strategy, seconds, point);
  v1::QueryBatchRequest request;
  request.set_parent(run_.pool);
  request.set_size(request_.options.batch);
  request.set_strategy(strategy);
  request.mutable_lease_duration()->set_seconds(kLeaseSeconds);
  request.set_annotator("mgral simulate");
  request.set_allow_fewer(true);
  const absl::Time start = absl::Now();
  absl::StatusOr<v1::Batch> batch = client_.QueryBatch(std::move(request));
  seconds->query = seconds->query.value_or(0) + absl::ToDoubleSeconds(absl::Now() - start);
  if (!batch.ok()) return batch.status();
  point->strategy_used = batch->strategy();
  point->strategy_note = batch->strategy_note();
  if (batch->has_estimated_gain()) {
    point->estimated_gain = batch->estimated_gain().mean();
    point->estimated_gain_se = batch->estimated_gain().standard_error();
  }
  for (const v1::BatchImage& image : batch->images()) {
    if (by_id_.count(image.image_id()) == 0) {
      return absl::InternalError(absl::StrCat("the server handed out \"", image.image_id(),
                                              "\", which is not an image of the pool"));
    }
    point->batch.push_back(image.image_id());
    point->picks.push_back(PickOf(image));
  }
  return batch;
}

absl::StatusOr<v1::Batch> Play::PickByTruth(const std::string& strategy, StageSeconds* seconds,
                                            CurvePoint* point) {
  absl::StatusOr<std::vector<int>> batch;
  if (strategy == kBestOf) {
    const TrialRequest trial{request_.dataset, request_.partition, request_.options, run_.seed,
                             labeled_};
    batch = PickBestOf(
        client_, trial, [this](const std::string& words) { Say(words); }, seconds);
  } else {
    const absl::StatusOr<v1::Model> model = client_.GetModel(model_);
    if (!model.ok()) return model.status();
    batch =
        PickByTrueCounts(request_.dataset, request_.partition.train, labeled_, model->validation(),
                         request_.options.batch,
                         {request_.options.seconds_per_image, request_.options.seconds_per_box});
  }
  if (!batch.ok()) return batch.status();
  point->strategy_used = strategy;
  for (const int position : *batch) {
    point->batch.push_back(request_.dataset.images[position].image_id);
    point->picks.push_back({point->batch.back(), -1, "its true labels", "", {}});
  }
  return v1::Batch();
}

absl::Status Play::LabelBatch(const CurvePoint& point, const std::string& batch) {
  std::vector<int> positions;
  for (const std::string& image_id : point.batch) positions.push_back(by_id_.at(image_id));
  CountLabeled(positions);
  return IngestTrueLabels(client_, run_.pool, request_.dataset, positions, v1::IMAGE_USE_TRAINING,
                          batch);
}

// The pool begins with the initial labels and those of the batch that another pool picked.
absl::Status Play::TakeSharedStart() {
  run_.points.push_back(request_.start->first);
  run_.seconds = request_.start->seconds;
  if (absl::Status status = LabelBatch(request_.start->batch, ""); !status.ok()) return status;
  return listener_.measured ? listener_.measured() : absl::OkStatus();
}

// By the snapshot of the first cycle; the images are free again at once.
absl::Status Play::ShareStart() {
  for (const std::string& label : request_.share_with) {
    const std::string strategy = VariantOf(request_.options, label).strategy;
    SharedStart start;
    start.first = run_.points.front();
    start.seconds.train = run_.seconds.train;
    start.seconds.embed = run_.seconds.embed;
    start.first.seconds = run_.seconds.train.value_or(0) + run_.seconds.embed.value_or(0);
    absl::StatusOr<v1::Batch> batch = Pick(strategy, &start.seconds, &start.batch);
    if (!batch.ok()) return batch.status();
    if (!batch->name().empty()) batch = client_.ReleaseBatch(batch->name());
    if (!batch.ok()) return batch.status();
    if (start.batch.strategy_used == strategy && !start.batch.batch.empty()) {
      starts_[label] = std::move(start);
    }
  }
  return absl::OkStatus();
}

absl::Status Play::Cycles() {
  const size_t most = request_.partition.train.size();
  CurvePoint point;
  if (request_.start != nullptr) point = request_.start->batch;
  for (int k = static_cast<int>(run_.points.size());; ++k) {
    // The last detector is only measured: nothing will be picked with a table of it.
    const bool last = k == request_.options.cycles || labeled_.size() >= most;
    absl::StatusOr<v1::Cycle> cycle = Train(!last && NeedsTable(strategy_));
    if (!cycle.ok()) return cycle.status();
    if (absl::Status status = Measure(*cycle, &point); !status.ok()) return status;
    if (last) return absl::OkStatus();
    if (k == 0) {
      if (absl::Status status = ShareStart(); !status.ok()) return status;
    }
    absl::StatusOr<v1::Batch> batch = Pick(strategy_, &run_.seconds, &point);
    if (!batch.ok()) return batch.status();
    if (point.batch.empty()) {
      return absl::InternalError(absl::StrCat("the server handed out an empty batch while ",
                                              most - labeled_.size(), " images have no labels"));
    }
    last_batch_ = batch->name();
    if (absl::Status status = LabelBatch(point, last_batch_); !status.ok()) return status;
  }
}

absl::Status Play::End() {
  run_.complete = true;
  if (request_.options.keep_pools) return absl::OkStatus();
  return client_.DeletePool(run_.pool, /*force=*/true);
}

}  // namespace

absl::Status PlayStrategy(Client& client, const PlayRequest& request, const PlayListener& listener,
                          PlayResult result) {
  result.run.strategy = request.strategy;
  result.run.seed = request.seed;
  Play play(client, request, listener, result);
  absl::Status status = play.Begin();
  if (status.ok()) status = play.Cycles();
  if (status.ok()) status = play.End();
  return status;
}

}  // namespace mgral::client
