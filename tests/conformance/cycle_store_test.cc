#include <cmath>
#include <limits>
#include <thread>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::Batch;
using domain::Cycle;
using domain::CycleStage;
using domain::CycleState;
using domain::CycleStore;
using domain::JobKind;
using domain::JobLease;
using domain::Model;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using CycleStoreTest = StoresTest;

TEST_F(CycleStoreTest, RunsOneCycleOfAPoolAtATime) {
  const Cycle first = Value(cycles().StartCycle(pool_.key, true, {}));
  EXPECT_EQ(first.cycle_id, "1");
  EXPECT_TRUE(first.without_table);
  EXPECT_EQ(first.state, CycleState::kQueued);
  EXPECT_THAT(first.stages, IsEmpty());
  const auto second = cycles().StartCycle(pool_.key, false, {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(base::ResourceName(second.status()), "pools/cats/cycles/1");
  EXPECT_TRUE(absl::IsNotFound(cycles().StartCycle(999999, false, {}).status()));
  ASSERT_OK(cycles().CancelCycle(pool_.key, "1"));
  EXPECT_EQ(Value(cycles().StartCycle(pool_.key, false, {})).cycle_id, "2");
}

TEST_F(CycleStoreTest, ReplaysARequest) {
  const Cycle first = Value(cycles().StartCycle(pool_.key, false, Request("StartCycle", "r")));
  EXPECT_EQ(Value(cycles().StartCycle(pool_.key, false, Request("StartCycle", "r"))).key,
            first.key);
  EXPECT_EQ(
      FieldOf(cycles().StartCycle(pool_.key, true, Request("StartCycle", "r", "other")).status()),
      "request_id");
}

TEST_F(CycleStoreTest, UnknownCyclesAndModelsAreNotFound) {
  ASSERT_OK(cycles().StartCycle(pool_.key, false, {}));
  const domain::Pool other = MakePool("other");
  for (const std::string id : {"", "0", "2", "x", "01", "-1", "99999999999999999999"}) {
    EXPECT_TRUE(absl::IsNotFound(cycles().GetCycle(pool_.key, id).status())) << id;
    EXPECT_TRUE(absl::IsNotFound(cycles().CancelCycle(pool_.key, id).status())) << id;
    EXPECT_TRUE(
        absl::IsNotFound(cycles().WaitForChange(pool_.key, id, 0, absl::Milliseconds(1)).status()));
  }
  EXPECT_TRUE(absl::IsNotFound(cycles().GetCycle(other.key, "1").status()));
  EXPECT_TRUE(absl::IsNotFound(cycles().GetModel(pool_.key, 1).status()));
  EXPECT_FALSE(Value(cycles().PublishedSnapshot(pool_.key)).has_value());
}

TEST_F(CycleStoreTest, InputsAreFixedOnceAndGetAnIdOfTheirOwn) {
  ASSERT_OK(cycles().StartCycle(pool_.key, false, {}));
  const JobLease job = Claim(JobKind::kTrain);
  EXPECT_EQ(Value(cycles().ContextOf(job)).inputs, "");
  EXPECT_EQ(Value(cycles().ContextOf(job)).work_id, "");
  EXPECT_THAT(Value(cycles().LiveWorkIds()), IsEmpty());
  const std::string inputs("in\0puts", 7);
  const auto fixed = Value(cycles().FixInputs(job, inputs));
  EXPECT_EQ(fixed.inputs, inputs);
  EXPECT_EQ(fixed.work_id.size(), 36u);
  for (const auto& again :
       {Value(cycles().FixInputs(job, "other")), Value(cycles().ContextOf(job))}) {
    EXPECT_EQ(again.inputs, inputs);
    EXPECT_EQ(again.work_id, fixed.work_id);
  }
  EXPECT_THAT(Value(cycles().LiveWorkIds()), ElementsAre(fixed.work_id));
  ASSERT_OK(cycles().CancelCycle(pool_.key, "1"));
  EXPECT_THAT(Value(cycles().LiveWorkIds()), IsEmpty());
  EXPECT_TRUE(base::IsLeaseLost(cycles().FixInputs(job, "late").status()));
  ASSERT_OK(cycles().StartCycle(pool_.key, false, {}));
  EXPECT_NE(Value(cycles().FixInputs(Claim(JobKind::kTrain), inputs)).work_id, fixed.work_id);
}

TEST_F(CycleStoreTest, NamesTheImagesThatACycleLeftOut) {
  Register(120);
  ASSERT_OK(cycles().StartCycle(pool_.key, false, {}));
  const JobLease job = Claim(JobKind::kTrain);
  const std::vector<int64_t> keys = Keys({"img-2", "img-0"});
  ASSERT_OK(cycles().LeaveOut(job, {}));
  ASSERT_OK(cycles().LeaveOut(job, {{keys[0], "", "truncated"}, {keys[0], "", "truncated"}}));
  ASSERT_OK(cycles().LeaveOut(job, {{keys[0], "", "no answer"}, {keys[1], "", "\xff"}}));
  domain::Cycle cycle = Value(cycles().GetCycle(pool_.key, "1"));
  EXPECT_EQ(cycle.left_out_count, 2);
  ASSERT_EQ(cycle.left_out.size(), 2u);
  EXPECT_EQ(cycle.left_out[0].image_id, "img-0");
  EXPECT_NE(cycle.left_out[0].reason, "");
  EXPECT_EQ(cycle.left_out[1].image_id, "img-2");
  EXPECT_EQ(cycle.left_out[1].reason, "no answer");
  std::vector<domain::LeftOutImage> many;
  for (int i = 0; i < 120; ++i) {
    many.push_back({Keys({absl::StrCat("img-", i)})[0], "", "no answer"});
  }
  ASSERT_OK(cycles().LeaveOut(job, many));
  cycle = Value(cycles().ListCycles(pool_.key, {})).items.at(0);
  EXPECT_EQ(cycle.left_out_count, 120);
  EXPECT_EQ(cycle.left_out.size(), 100u);
  ASSERT_OK(cycles().CancelCycle(pool_.key, "1"));
  EXPECT_TRUE(base::IsLeaseLost(cycles().LeaveOut(job, many)));
}

TEST_F(CycleStoreTest, RecordsAModelOnceHoweverOftenItIsTried) {
  ASSERT_OK(cycles().StartCycle(pool_.key, false, {}));
  JobLease job = Claim(JobKind::kTrain);
  CycleStore::TrainedModel trained;
  trained.weights_sha256 = std::string(64, 'a');
  trained.profile = "tiny";
  trained.parameters = 12345678901;
  trained.training_images = 40;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  trained.validation.map50 = 0.61;
  trained.validation.map = 0.33;
  trained.validation.images = 20;
  trained.validation.classes = {{0.5, 0.4, 0.3, 7}, {nan, nan, nan, 0}, {0.1, 0.2, 1.0 / 3, 9}};
  EXPECT_EQ(Value(cycles().RecordModel(job, trained)).version, 1);
  stores_->EndJobLeases();
  job = Claim(JobKind::kTrain);  // the first worker died before it could complete the job
  trained.weights_sha256 = std::string(64, 'd');
  const Model model = Value(cycles().RecordModel(job, trained));
  EXPECT_EQ(model.version, 1);
  EXPECT_EQ(model.weights_sha256, std::string(64, 'd'));
  EXPECT_EQ(model.cycle_id, "1");
  EXPECT_FALSE(model.published);
  EXPECT_EQ(model.parameters, 12345678901);
  ASSERT_EQ(model.validation.classes.size(), 3u);
  EXPECT_TRUE(std::isnan(model.validation.classes[1].ap50));
  EXPECT_EQ(model.validation.classes[2].ap, 1.0 / 3);
  EXPECT_EQ(model.validation.classes[2].ground_truth_boxes, 9);

  const Cycle cycle = Value(cycles().GetCycle(pool_.key, "1"));
  EXPECT_EQ(cycle.map50, 0.61);
  EXPECT_EQ(cycle.training_images, 40);
  EXPECT_EQ(cycle.validation_images, 20);
  EXPECT_FALSE(cycle.model_version.has_value());  // not published yet
  const auto context = Value(cycles().ContextOf(job));
  EXPECT_EQ(context.cycle.model_version, 1);
  EXPECT_EQ(context.pool.pool_id, "cats");
}

TEST_F(CycleStoreTest, PublishesEverythingAtOnce) {
  Register(4);
  const JobLease job = RunToPublish();
  auto snapshot = SnapshotOf("mgral", {"img-2", "img-0"});
  snapshot.report->fidelity = 0.75;
  snapshot.report->weights = {{"growth", 0.4, {0.01, 1e-17}, 0.5, 0.2},
                              {"coverage", 0.1, {}, 0.2, 1, 0.07}};
  snapshot.report->weights_fitted = true;
  std::tie(snapshot.report->kappa, snapshot.report->kappa_sd) = std::pair(0.45, 0.1);
  std::tie(snapshot.report->residual_share, snapshot.report->level) = std::pair(0.3, 3);
  snapshot.predicted_gain = 0.02;
  snapshot.predicted_gain_se = 0.01;
  snapshot.realized_gain = 0.03;
  EXPECT_EQ(Lease(1, "mgral").strategy, "random");
  ASSERT_OK(cycles().Publish(job, snapshot, 1.5));
  const Cycle cycle = Value(cycles().GetCycle(pool_.key, "1"));
  EXPECT_EQ(cycle.state, CycleState::kSucceeded);
  EXPECT_EQ(cycle.stage, CycleStage::kPublish);
  EXPECT_TRUE(cycle.end_time.has_value());
  EXPECT_EQ(cycle.model_version, 1);
  EXPECT_EQ(cycle.predicted_gain, 0.02);
  EXPECT_EQ(cycle.predicted_gain_se, 0.01);
  EXPECT_EQ(cycle.realized_gain, 0.03);
  ASSERT_TRUE(cycle.table.has_value());
  EXPECT_EQ(cycle.table->probes, 12);
  EXPECT_EQ(cycle.table->fidelity, 0.75);
  ASSERT_EQ(cycle.table->weights.size(), 2u);
  EXPECT_EQ(cycle.table->weights[0].feature, "growth");
  EXPECT_EQ(cycle.table->weights[0].covariance, std::vector<double>({0.01, 1e-17}));
  EXPECT_EQ(cycle.table->weights[1].prior_sd + cycle.table->weights[1].random_gain, 1 + 0.07);
  EXPECT_TRUE(cycle.table->weights_fitted);
  EXPECT_EQ(cycle.table->kappa + cycle.table->kappa_sd, 0.45 + 0.1);
  EXPECT_EQ(cycle.table->residual_share + cycle.table->level, 0.3 + 3);
  EXPECT_EQ(cycle.stages.back().seconds, 1.5);
  EXPECT_FALSE(cycle.eta.has_value());

  EXPECT_EQ(Value(pools().GetPool("cats")).published_model_version, 1);
  EXPECT_TRUE(Value(cycles().GetModel(pool_.key, 1)).published);
  const auto published = Value(cycles().PublishedSnapshot(pool_.key));
  ASSERT_TRUE(published.has_value());
  EXPECT_EQ(published->model.version, 1);
  EXPECT_EQ(published->selector_sha256, std::string(64, 'b'));
  EXPECT_EQ(published->manifest_sha256, std::string(64, 'c'));
  EXPECT_EQ(published->table, snapshot.table);
  EXPECT_EQ(published->cycle_key, cycle.key);
  // Published is published: not twice, and no canceling.
  EXPECT_TRUE(base::IsLeaseLost(cycles().Publish(job, snapshot, 1)));
  EXPECT_EQ(Value(cycles().CancelCycle(pool_.key, "1")).state, CycleState::kSucceeded);
}

TEST_F(CycleStoreTest, AWorkerThoughtDeadCannotPublish) {
  Register(2);
  const JobLease old = RunToPublish();
  stores_->EndJobLeases();
  const JobLease job = Claim(JobKind::kPublish, "another");
  const auto snapshot = SnapshotOf("mgral", {"img-1", "img-0"});
  EXPECT_TRUE(base::IsLeaseLost(cycles().Publish(old, snapshot, 1)));
  EXPECT_FALSE(Value(cycles().PublishedSnapshot(pool_.key)).has_value());
  EXPECT_OK(cycles().Publish(job, snapshot, 1));
}

TEST_F(CycleStoreTest, WithoutATableNothingIsEstimated) {
  Register(3);
  const JobLease job = RunToPublish();
  CycleStore::Snapshot snapshot = SnapshotOf("entropy", {"img-1"});
  snapshot.table.clear();
  snapshot.report.reset();
  snapshot.images[0].entry.clear();
  snapshot.images[0].expected_gain.clear();
  ASSERT_OK(cycles().Publish(job, snapshot, 1));
  const Batch batch = Lease(1, "entropy");
  EXPECT_EQ(batch.strategy, "entropy");
  EXPECT_EQ(batch.table_version, 0);
  EXPECT_THAT(batch.images[0].expected_gain, IsEmpty());
  EXPECT_EQ(base::Reason(batches().LookUp(pool_.key, {"img-1"}).status()), "NO_TABLE");
  EXPECT_FALSE(Value(cycles().GetCycle(pool_.key, "1")).table.has_value());
}

TEST_F(CycleStoreTest, TheNewestSnapshotAnswersAndVersionsGrow) {
  Register(5);
  PublishQueue("mgral", {"img-0", "img-1"});
  PublishQueue("mgral", {"img-4", "img-0"});
  PublishQueue("mgral", {"img-3", "img-0"});
  const Batch batch = Lease(2, "mgral");
  EXPECT_THAT(Ids(batch), ElementsAre("img-3", "img-0"));
  EXPECT_EQ(batch.model_version, 3);
  EXPECT_EQ(batch.table_version, 3);
  const auto models = Value(cycles().ListModels(pool_.key, {2, ""}));
  ASSERT_EQ(models.items.size(), 2u);
  EXPECT_EQ(models.items[0].version, 3);
  EXPECT_TRUE(models.items[0].published);
  EXPECT_FALSE(models.items[1].published);
  const auto rest = Value(cycles().ListModels(pool_.key, {2, models.next_page_token}));
  ASSERT_EQ(rest.items.size(), 1u);
  EXPECT_EQ(rest.items[0].version, 1);
  const auto page = Value(cycles().ListCycles(pool_.key, {2, ""}));
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].cycle_id, "3");
  EXPECT_EQ(Value(cycles().ListCycles(pool_.key, {2, page.next_page_token})).items.size(), 1u);
  EXPECT_EQ(FieldOf(cycles().ListModels(pool_.key, {2, page.next_page_token}).status()),
            "page_token");
}

TEST_F(CycleStoreTest, ABatchBelongsToTheCycleThatTrainedOnIt) {
  Register(6);
  PublishQueue("mgral", {"img-0", "img-1", "img-2", "img-3"});
  const Batch early = Lease(1, "mgral"), late = Lease(1, "mgral");
  Lease(1, "mgral");  // never labeled
  EXPECT_THAT(Value(cycles().BatchesSincePublished(pool_.key)), IsEmpty());
  ASSERT_OK(Label(Ids(early), early.batch_id));
  const JobLease job = RunToPublish();
  ASSERT_OK(Label(Ids(late), late.batch_id));  // too late for the running cycle
  const auto batches_of_cycle = Value(cycles().BatchesSincePublished(pool_.key));
  ASSERT_EQ(batches_of_cycle.size(), 1u);
  EXPECT_EQ(batches_of_cycle[0].batch_id, early.batch_id);
  EXPECT_EQ(Ids(batches_of_cycle[0]), Ids(early));
  auto snapshot = SnapshotOf("mgral", {"img-4"});
  snapshot.realized = {{early.batch_id, {0.04, 0.01, {0.1, 0.0, -0.02}, {0.1, 0.1, 0.1}}}};
  ASSERT_OK(cycles().Publish(job, snapshot, 1));
  const auto since = Value(cycles().BatchesSincePublished(pool_.key));
  ASSERT_EQ(since.size(), 1u);
  EXPECT_EQ(since[0].batch_id, late.batch_id);
  const auto realized = Value(batches().GetBatch(pool_.key, early.batch_id)).realized_gain;
  ASSERT_TRUE(realized.has_value());
  EXPECT_EQ(realized->mean, 0.04);
  EXPECT_EQ(realized->class_mean[2], -0.02);
  EXPECT_FALSE(Value(batches().GetBatch(pool_.key, late.batch_id)).realized_gain.has_value());
}

TEST_F(CycleStoreTest, WatchersHearOfEveryChange) {
  const Cycle cycle = Value(cycles().StartCycle(pool_.key, false, {}));
  const auto unchanged =
      Value(cycles().WaitForChange(pool_.key, "1", cycle.revision, absl::Milliseconds(20)));
  EXPECT_EQ(unchanged.revision, cycle.revision);
  std::thread worker([&] { Claim(JobKind::kTrain); });
  const auto changed =
      Value(cycles().WaitForChange(pool_.key, "1", cycle.revision, absl::Seconds(30)));
  worker.join();
  EXPECT_GT(changed.revision, cycle.revision);
  EXPECT_EQ(changed.state, CycleState::kRunning);
  std::thread canceler([&] { EXPECT_OK(cycles().CancelCycle(pool_.key, "1")); });
  Cycle last = changed;
  while (last.state == CycleState::kRunning) {
    last = Value(cycles().WaitForChange(pool_.key, "1", last.revision, absl::Seconds(30)));
  }
  canceler.join();
  EXPECT_EQ(last.state, CycleState::kCanceled);
}

}  // namespace
}  // namespace mgral::test
