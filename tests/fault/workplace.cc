#include "tests/fault/workplace.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "server/storage/folder_mark.h"

namespace mgral::test {
namespace {

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "preparing a test failed: " << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

domain::RequestKey NoKey() { return {}; }

}  // namespace

domain::Pool TinyPool(const std::string& pool_id, const std::string& strategy, int64_t seed) {
  domain::Pool pool;
  pool.pool_id = pool_id;
  pool.classes = {"disc", "square"};
  pool.detector.profile = "micro";
  pool.detector.training_steps = 12;
  pool.detector.input_size = 96;
  pool.selection.strategy = strategy;
  pool.selection.batch_size = 4;
  pool.selection.replay_probes = 2;
  pool.selection.seed = seed;
  return pool;
}

Workplace::Workplace(int images) : database(TestDatabase::Create()) {
  char name[] = "/tmp/mgral_workplace_XXXXXX";
  folder = mkdtemp(name);
  std::filesystem::create_directories(folder + "/images");
  drawn = DrawImages(folder + "/images", images, 1);
  Open();
}

Workplace::Workplace(std::unique_ptr<TestDatabase> opened, const std::string& opened_folder)
    : database(std::move(opened)), folder(opened_folder) {
  Open();
}

void Workplace::Open() {
  connections = std::make_unique<storage::ConnectionPool>(
      storage::ConnectionPool::Options{database->conninfo()});
  listener = std::make_unique<storage::ChangeListener>(database->conninfo());
  pools = std::make_unique<storage::PostgresPoolStore>(*connections);
  labels = std::make_unique<storage::PostgresLabelStore>(*connections);
  batches = std::make_unique<storage::PostgresBatchStore>(*connections);
  cycles = std::make_unique<storage::PostgresCycleStore>(*connections, *listener);
  jobs = std::make_unique<storage::PostgresJobQueue>(*connections, *listener);
  if (!storage::DiskArtifactStore::Prepare(folder + "/artifacts").ok() ||
      !storage::MarkArtifactFolder(*connections, folder + "/artifacts").ok()) {
    std::abort();
  }
  artifacts = std::make_unique<storage::DiskArtifactStore>(folder + "/artifacts");
  imaging::ImagingOptions options;
  options.image_root = folder + "/images";
  files = std::make_unique<imaging::FileImageLoader>(options, artifacts.get());
  loader = std::make_unique<UnreachableImages>(files.get());
  runtime =
      std::make_unique<runtime::TorchRuntime>(runtime::RuntimeOptions{1, 64 << 20}, loader.get());
  runner = std::make_unique<cycle::JobRunner>(cycle::CyclePorts{
      pools.get(), cycles.get(), jobs.get(), artifacts.get(), runtime.get(), runtime.get()});
}

Workplace::~Workplace() { std::filesystem::remove_all(folder); }

domain::Pool Workplace::MakePool(const std::string& pool_id, const std::string& strategy,
                                 int64_t seed, int labeled, int validation) {
  return MakePool(TinyPool(pool_id, strategy, seed), labeled, validation);
}

domain::Pool Workplace::MakePool(const domain::Pool& settings, int labeled, int validation) {
  const domain::Pool pool = Must(pools->CreatePool(settings, NoKey()));
  std::vector<domain::NewImage> images;
  for (size_t i = 0; i < drawn.size(); ++i) {
    domain::NewImage image;
    image.image_id = drawn[i].name;
    image.source.location = drawn[i].name;
    const int at = static_cast<int>(i);
    image.use = at >= labeled && at < labeled + validation ? domain::ImageUse::kValidation
                                                           : domain::ImageUse::kTraining;
    images.push_back(image);
  }
  Must(pools->RegisterImages(pool.key, images, NoKey()));
  for (int i = 0; i < labeled + validation; ++i) Label(pool, drawn[i].name);
  return pool;
}

void Workplace::Label(const domain::Pool& pool, const std::string& image_id,
                      const std::string& batch_id) {
  for (const DrawnImage& image : drawn) {
    if (image.name != image_id) continue;
    domain::NewLabels label;
    label.image_id = image_id;
    label.boxes = image.boxes;
    label.batch_id = batch_id;
    Must(labels->IngestLabels(pool.key, {label}, NoKey()));
  }
}

domain::Batch Workplace::LabelBatch(const domain::Pool& pool, int size) {
  domain::BatchStore::LeaseRequest request;
  request.pool_key = pool.key;
  request.size = size;
  request.strategy = pool.selection.strategy;
  request.lease = absl::Minutes(10);
  const domain::Batch batch = Must(batches->LeaseBatch(
      request,
      [&](const std::string& table, const std::vector<domain::BatchStore::TableImage>& images) {
        std::vector<std::string> entries;
        for (const auto& image : images) entries.push_back(image.entry);
        return runtime->EstimateGain(table, entries);
      }));
  for (const domain::BatchImage& image : batch.images) Label(pool, image.image_id, batch.batch_id);
  return batch;
}

domain::Cycle Workplace::RunCycle(const domain::Pool& pool,
                                  const std::function<void(const domain::Cycle&)>& while_running,
                                  const std::function<void(const std::string&)>& on_job) {
  return FinishCycle(pool, Must(cycles->StartCycle(pool.key, false, NoKey())), while_running,
                     on_job);
}

domain::Cycle Workplace::FinishCycle(const domain::Pool& pool, domain::Cycle cycle,
                                     const std::function<void(const domain::Cycle&)>& while_running,
                                     const std::function<void(const std::string&)>& on_job) {
  std::atomic<int> ended{0};
  cycle::JobLoopOptions options;
  options.worker = "test";
  options.lease = absl::Seconds(2);
  options.poll_interval = absl::Milliseconds(100);
  options.first_backoff = absl::Milliseconds(10);
  options.on_job = [&](domain::JobKind, const std::string& outcome, double) {
    ++ended;
    if (on_job) on_job(outcome);
  };
  cycle::JobLoop loop(jobs.get(), cycles.get(), runner.get(), options);
  std::thread worker([&] { loop.Run(); });
  while (!cycle.end_time) {
    if (while_running) while_running(cycle);
    cycle =
        Must(cycles->WaitForChange(pool.key, cycle.cycle_id, cycle.revision, absl::Seconds(30)));
  }
  while (on_job && ended == 0) absl::SleepFor(absl::Milliseconds(10));
  loop.Stop();
  worker.join();
  return cycle;
}

std::string Workplace::Queue(const domain::Pool& pool, const std::string& strategy) const {
  return database->Query(
      "SELECT coalesce(string_agg(i.image_id, ' ' ORDER BY q.position), '') FROM queue_entry q "
      "JOIN image i ON i.key = q.image_key WHERE q.strategy = '" +
      strategy + "' AND q.snapshot_key = (SELECT snapshot_key FROM pool WHERE key = " +
      std::to_string(pool.key) + ")");
}

}  // namespace mgral::test
