#include "tests/conformance/stores.h"

#include <mutex>

#include "absl/strings/str_cat.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_label_store.h"
#include "server/storage/postgres_pool_store.h"
#include "server/storage/postgres_prediction_store.h"
#include "server/storage/postgres_statistics_store.h"
#include "tests/support/postgres.h"

namespace mgral::test {
namespace {

// One for all tests: to make a database takes longer than most of them.
TestDatabase* EmptyDatabase() {
  static const std::unique_ptr<TestDatabase> database = TestDatabase::Create();
  database->Execute("DELETE FROM pool; DELETE FROM request");
  return database.get();
}

class PostgresStores : public Stores {
 public:
  PostgresStores()
      : database_(EmptyDatabase()),
        connections_({database_->conninfo(), 40, absl::Seconds(20)}),
        listener_(database_->conninfo()),
        pools_(connections_),
        batches_(connections_,
                 [this](const domain::BatchStore::Events& events) {
                   std::lock_guard<std::mutex> lock(mutex_);
                   seen_.granted += events.granted;
                   seen_.expired += events.expired;
                 }),
        labels_(connections_,
                [this](const domain::LabelStore::Ingested& ingested) {
                  std::lock_guard<std::mutex> lock(mutex_);
                  seen_.labels += ingested.ingested;
                  seen_.late += ingested.late;
                }),
        cycles_(connections_, listener_),
        predictions_(connections_),
        jobs_(connections_, listener_, {3, absl::Seconds(1)}),
        statistics_(connections_) {}

  domain::PoolStore& pools() override { return pools_; }
  domain::BatchStore& batches() override { return batches_; }
  domain::LabelStore& labels() override { return labels_; }
  domain::CycleStore& cycles() override { return cycles_; }
  domain::PredictionStore& predictions() override { return predictions_; }
  domain::JobQueue& jobs() override { return jobs_; }
  domain::StatisticsStore& statistics() override { return statistics_; }
  Seen seen() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return seen_;
  }

  void EndBatchLease(const std::string& batch_id) override {
    database_->Execute(absl::StrCat(
        "UPDATE batch SET expire_time = clock_timestamp() - interval '1 second' WHERE key = ",
        batch_id));
  }
  void EndJobLeases() override {
    database_->Execute(
        "UPDATE job SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 2");
  }
  void EndJobDelays() override {
    database_->Execute("UPDATE job SET not_before = clock_timestamp() - interval '1 second'");
  }
  void AgeWork(absl::Duration by) override {
    const std::string seconds = absl::StrCat("interval '", absl::ToInt64Seconds(by), " seconds'");
    database_->Execute(absl::StrCat("UPDATE job SET free_since = free_since - ", seconds,
                                    "; UPDATE cycle SET progress_time = progress_time - ",
                                    seconds));
  }

 private:
  TestDatabase* const database_;
  mutable std::mutex mutex_;
  Seen seen_;
  storage::ConnectionPool connections_;
  storage::ChangeListener listener_;
  storage::PostgresPoolStore pools_;
  storage::PostgresBatchStore batches_;
  storage::PostgresLabelStore labels_;
  storage::PostgresCycleStore cycles_;
  storage::PostgresPredictionStore predictions_;
  storage::PostgresJobQueue jobs_;
  storage::PostgresStatisticsStore statistics_;
};

}  // namespace

std::unique_ptr<Stores> MakeStores() { return std::make_unique<PostgresStores>(); }

void StoresTest::SetUp() {
  stores_ = MakeStores();
  pool_ = MakePool("cats");
}

domain::Pool StoresTest::MakePool(const std::string& pool_id) {
  domain::Pool pool;
  pool.pool_id = pool_id;
  pool.display_name = "Cats & \"dogs\"";
  pool.classes = {"cat", "a dog, with \"quotes\" {and} \\", "NULL"};
  pool.selection.seed = 7;
  return Value(pools().CreatePool(pool, {}));
}

void StoresTest::Register(int count, int first, domain::ImageUse use) {
  std::vector<domain::NewImage> images;
  for (int i = first; i < first + count; ++i) {
    images.push_back(ImageAt(absl::StrCat("img-", i), absl::StrCat("folder/", i, ".jpg")));
    images.back().use = use;
  }
  ASSERT_OK(pools().RegisterImages(pool_.key, images, {}));
}

std::vector<int64_t> StoresTest::Keys(const std::vector<std::string>& image_ids) {
  std::vector<int64_t> keys;
  for (const domain::Image& image : Value(pools().GetImages(pool_.key, image_ids))) {
    keys.push_back(image.key);
  }
  return keys;
}

domain::BatchStore::LeaseRequest StoresTest::Ask(int size, const std::string& strategy) {
  domain::BatchStore::LeaseRequest request;
  request.pool_key = pool_.key;
  request.size = size;
  request.strategy = strategy;
  request.lease = absl::Hours(1);
  request.annotator = "annotator 7";
  return request;
}

domain::Batch StoresTest::Lease(int size, const std::string& strategy) {
  return Value(batches().LeaseBatch(Ask(size, strategy), nullptr));
}

absl::StatusOr<domain::LabelStore::Ingested> StoresTest::Label(
    const std::vector<std::string>& image_ids, const std::string& batch_id) {
  std::vector<domain::NewLabels> given;
  for (const std::string& image_id : image_ids) {
    domain::NewLabels label;
    label.image_id = image_id;
    label.boxes = {{1.5, 2.25, 30, 40, 1, false, 0}};
    label.batch_id = batch_id;
    given.push_back(label);
  }
  return labels().IngestLabels(pool_.key, given, {});
}

domain::ImageState StoresTest::StateOf(const std::string& image_id) {
  return Value(pools().GetImage(pool_.key, image_id)).state;
}

domain::PoolCounts StoresTest::Counts() { return Value(pools().GetPool(pool_.pool_id)).counts; }

domain::JobLease StoresTest::Claim(domain::JobKind kind, const std::string& worker) {
  const auto job = Value(jobs().Claim(worker, absl::Minutes(1)));
  if (!job) {
    ADD_FAILURE() << "no job to claim";
    return {};
  }
  EXPECT_EQ(job->kind, kind);
  return *job;
}

domain::JobLease StoresTest::RunToPublish() {
  Value(cycles().StartCycle(pool_.key, false, {}));
  const domain::JobLease train = Claim(domain::JobKind::kTrain);
  domain::CycleStore::TrainedModel model;
  model.weights_sha256 = std::string(64, 'a');
  model.profile = "tiny";
  model.validation.classes.resize(3);
  EXPECT_OK(cycles().RecordModel(train, model));
  EXPECT_OK(jobs().Complete(train, "", 1, {}, {{domain::JobKind::kPublish, 0, ""}}));
  return Claim(domain::JobKind::kPublish);
}

domain::CycleStore::Snapshot StoresTest::SnapshotOf(const std::string& strategy,
                                                    const std::vector<std::string>& image_ids) {
  domain::CycleStore::Snapshot snapshot;
  snapshot.table = std::string("table\0bytes", 11);
  snapshot.report.emplace();
  snapshot.report->probes = 12;
  snapshot.queues.push_back({strategy, Keys(image_ids), {}});
  int cell = 0;
  for (const int64_t key : snapshot.queues[0].image_keys) {
    domain::CycleStore::SnapshotImage image;
    image.image_key = key;
    image.cell = cell++;
    image.entry = absl::StrCat("entry ", image.cell);
    image.expected_gain = {0.5f, -0.25f, 1e-7f};
    image.predictions = {{0.1, 0.2, 0.3, 0.4, 2, false, 0.875}};
    image.expected_boxes = 0.5f * static_cast<float>(cell);  // 0.5, 1, 1.5, ...
    snapshot.images.push_back(image);
  }
  snapshot.selector_sha256 = std::string(64, 'b');
  snapshot.manifest_sha256 = std::string(64, 'c');
  return snapshot;
}

void StoresTest::PublishQueue(const std::string& strategy,
                              const std::vector<std::string>& image_ids) {
  const domain::JobLease job = RunToPublish();
  ASSERT_OK(cycles().Publish(job, SnapshotOf(strategy, image_ids), 0.5));
}

domain::NewImage ImageAt(const std::string& image_id, const std::string& path) {
  domain::NewImage image;
  image.image_id = image_id;
  image.source = {domain::ImageSource::Kind::kPath, path};
  image.width = 640;
  image.height = 480;
  return image;
}

domain::RequestKey Request(const std::string& method, const std::string& id,
                           const std::string& fingerprint) {
  return {method, id, fingerprint};
}

std::vector<std::string> Ids(const domain::Batch& batch) {
  std::vector<std::string> ids;
  for (const domain::BatchImage& image : batch.images) ids.push_back(image.image_id);
  return ids;
}

std::string FieldOf(const absl::Status& status) {
  const auto violations = base::FieldViolations(status);
  return violations.empty() ? "" : violations[0].field;
}

}  // namespace mgral::test
