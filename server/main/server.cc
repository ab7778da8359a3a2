#include "server/main/server.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/app/create_pool.h"
#include "server/app/import_weights.h"
#include "server/app/ingest_labels.h"
#include "server/app/predict.h"
#include "server/app/put_predictions.h"
#include "server/app/query_batch.h"
#include "server/app/register_images.h"
#include "server/base/files.h"
#include "server/base/status_macros.h"
#include "server/base/stoppable_thread.h"
#include "server/cycle/job_loop.h"
#include "server/cycle/job_runner.h"
#include "server/cycle/work_folder.h"
#include "server/imaging/file_image_loader.h"
#include "server/main/database.h"
#include "server/main/logging.h"
#include "server/main/metrics.h"
#include "server/main/part_options.h"
#include "server/main/security.h"
#include "server/main/server_metrics.h"
#include "server/rpc/cycle_service.h"
#include "server/rpc/grpc_server.h"
#include "server/rpc/label_service.h"
#include "server/rpc/model_service.h"
#include "server/rpc/pool_service.h"
#include "server/rpc/prediction_service.h"
#include "server/rpc/selection_service.h"
#include "server/runtime/torch_runtime.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"
#include "server/storage/disk_artifact_store.h"
#include "server/storage/folder_mark.h"
#include "server/storage/postgres_batch_store.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_label_store.h"
#include "server/storage/postgres_pool_store.h"
#include "server/storage/postgres_prediction_store.h"
#include "server/storage/postgres_statistics_store.h"

namespace mgral::server {
namespace {

constexpr absl::Duration kStatisticsEvery = absl::Seconds(15);
// For the running job to stop where the calls have used up the drain timeout.
constexpr absl::Duration kLastMoment = absl::Seconds(1);
// Threads of gRPC beyond those that wait in calls: pollers, and calls that are being refused.
constexpr int kSpareThreads = 32;

std::string WorkerName() {
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, ":", getpid());
}

absl::Status WritePortFile(const std::string& path, int grpc_port, int metrics_port) {
  if (path.empty()) return absl::OkStatus();
  const absl::Status written = base::WriteFileAtomically(
      path, absl::StrCat("grpc ", grpc_port, "\nmetrics ", metrics_port, "\n"));
  if (written.ok()) return written;
  return absl::InvalidArgumentError(absl::StrCat("port_file: ", written.message()));
}

}  // namespace

// In the order in which the parts need each other; destroyed in reverse order.
struct Server::Parts {
  ~Parts() { metrics.StopListening(); }  // its gauges ask the parts below
  Parts(const Options& o, std::unique_ptr<Security> s)
      : options(o),
        security(std::move(s)),
        metrics(MGRAL_VERSION),
        connections({o.database, o.database_connections}),
        listener(o.database),
        pools(connections),
        batches(connections, [this](const auto& events) { metrics.OnLeases(events); }),
        labels(connections, [this](const auto& ingested) { metrics.OnLabels(ingested); }),
        cycles(connections, listener),
        predictions(connections),
        queue(connections, listener, {o.max_cycle_attempts, o.poll_interval}),
        statistics(connections),
        artifacts(o.artifact_dir),
        loader(ToImaging(o), &artifacts),
        runtime(ToRuntime(o), &loader),
        create_pool(&pools, &runtime),
        register_images(&pools, &loader, &artifacts, OnePerCore(o.decoders)),
        ingest_labels(&pools, &labels, &loader, OnePerCore(o.decoders)),
        query_batch(&batches, &runtime),
        predict(&pools, &cycles, &artifacts, &runtime),
        export_model(&cycles, &artifacts, &runtime, MGRAL_VERSION),
        import_weights(&cycles, &artifacts, &runtime, options.max_weights_bytes),
        put_predictions(&pools, &predictions, &runtime),
        runner({&pools, &cycles, &queue, &artifacts, &runtime, &runtime, &predictions}),
        calls({o.max_in_flight, o.max_streams}, security->authentication(),
              [this](const rpc::CallRecord& call) {
                metrics.OnCall(call);
                LogCall(call, options.log_format == "json");
              }),
        pool_service(&calls, &pools, &create_pool, &register_images),
        selection_service(&calls, &pools, &batches, &runtime, &query_batch),
        label_service(&calls, &pools, &labels, &loader, &ingest_labels),
        cycle_service(&calls, &pools, &cycles, &predictions),
        model_service(&calls, &pools, &cycles, &artifacts, &predict, &export_model,
                      &import_weights),
        prediction_service(&calls, &pools, &put_predictions) {}

  absl::Status Listen();
  void StartWorker();
  void RunMaintenance();

  const Options options;
  const std::unique_ptr<Security> security;
  Metrics metrics;
  storage::ConnectionPool connections;
  storage::ChangeListener listener;
  storage::PostgresPoolStore pools;
  storage::PostgresBatchStore batches;
  storage::PostgresLabelStore labels;
  storage::PostgresCycleStore cycles;
  storage::PostgresPredictionStore predictions;
  storage::PostgresJobQueue queue;
  storage::PostgresStatisticsStore statistics;
  storage::DiskArtifactStore artifacts;
  imaging::FileImageLoader loader;
  runtime::TorchRuntime runtime;
  app::CreatePool create_pool;
  app::RegisterImages register_images;
  app::IngestLabels ingest_labels;
  app::QueryBatch query_batch;
  app::Predict predict;
  app::ExportModel export_model;
  app::ImportWeights import_weights;
  app::PutPredictions put_predictions;
  cycle::JobRunner runner;
  rpc::CallRunner calls;
  rpc::PoolService pool_service;
  rpc::SelectionService selection_service;
  rpc::LabelService label_service;
  rpc::CycleService cycle_service;
  rpc::ModelService model_service;
  rpc::PredictionService prediction_service;
  std::unique_ptr<rpc::GrpcServer> grpc;
  std::unique_ptr<cycle::JobLoop> loop;
  base::StoppableThread worker;
  std::atomic<bool> serving{false};  // what health says
  std::atomic<int> jobs_running{0};  // by this worker
  absl::Time statistics_read;        // of the maintenance thread alone
  base::StoppableThread maintenance;
};

absl::Status Server::Parts::Listen() {
  rpc::GrpcServerOptions grpc_options;
  grpc_options.listen = options.listen;
  grpc_options.credentials = security->NewCredentials();
  grpc_options.max_threads = options.max_in_flight + options.max_streams + kSpareThreads;
  std::vector<rpc::NamedService> services;
  if (options.api) {
    services = {{mgral::v1::PoolService::service_full_name(), &pool_service},
                {mgral::v1::SelectionService::service_full_name(), &selection_service},
                {mgral::v1::LabelService::service_full_name(), &label_service},
                {mgral::v1::CycleService::service_full_name(), &cycle_service},
                {mgral::v1::ModelService::service_full_name(), &model_service},
                {mgral::v1::PredictionService::service_full_name(), &prediction_service}};
  }
  MGRAL_ASSIGN_OR_RETURN(grpc, rpc::GrpcServer::Start(grpc_options, services));
  AddServerMetrics({options, connections, calls, serving, jobs_running}, &metrics);
  if (options.metrics_listen.empty()) return absl::OkStatus();
  return metrics.Listen(options.metrics_listen);
}

void Server::Parts::StartWorker() {
  cycle::JobLoopOptions loop_options;
  loop_options.worker = WorkerName();
  loop_options.lease = options.job_lease;
  loop_options.poll_interval = options.poll_interval;
  loop_options.on_claim = [this](domain::JobKind kind, int attempt) {
    ++jobs_running;
    metrics.OnClaim(domain::JobKindName(kind), attempt);
  };
  loop_options.on_job = [this](domain::JobKind kind, const std::string& outcome, double seconds) {
    --jobs_running;
    metrics.OnJob(domain::JobKindName(kind), outcome, seconds);
  };
  loop = std::make_unique<cycle::JobLoop>(&queue, &cycles, &runner, loop_options);
  worker.Start([this](const base::StopSignal&) { loop->Run(); }, [this] { loop->Stop(); });
}

void Server::Parts::RunMaintenance() {
  const auto expired = batches.RunMaintenance();
  if (expired.ok()) {
    if (*expired > 0) spdlog::info("{} leases expired: their images are available again", *expired);
  } else {
    spdlog::warn("cannot sweep leases: {}", expired.status().ToString());
  }
  const bool up = !absl::IsUnavailable(expired.status());
  metrics.SetDatabaseUp(up);
  grpc->SetServing(up);
  serving = up && !calls.draining();
  if (!up) {
    metrics.SetStatistics(std::nullopt);
    statistics_read = absl::InfinitePast();
    return;
  }
  if (absl::Now() - statistics_read < kStatisticsEvery) return;
  if (options.worker) {
    const absl::Status swept = cycle::SweepWorkFolders(&cycles, &artifacts);
    if (!swept.ok()) spdlog::warn("cannot remove old work folders: {}", swept.ToString());
  }
  statistics_read = absl::Now();
  auto read = statistics.Read(Metrics::kMaxPools);
  if (!read.ok()) spdlog::warn("cannot read the statistics: {}", read.status().ToString());
  metrics.SetStatistics(read.ok() ? std::make_optional(*std::move(read)) : std::nullopt);
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options) {
  MGRAL_ASSIGN_OR_RETURN(auto security, Security::Open(options));
  MGRAL_ASSIGN_OR_RETURN(const std::string device,
                         runtime::TorchRuntime::ResolveDevice(options.device));
  absl::Status status = CheckTrunkWeights(options.trunk_weights);
  if (status.ok()) status = CheckImageRoot(options.image_root);
  if (status.ok()) status = storage::DiskArtifactStore::Prepare(options.artifact_dir);
  if (status.ok()) status = PrepareDatabase(options, options.migrate);
  if (!status.ok()) return status;

  auto parts = std::make_unique<Parts>(options, std::move(security));
  status = storage::MarkArtifactFolder(parts->connections, options.artifact_dir);
  if (status.ok()) status = parts->Listen();
  if (!status.ok()) return status;
  if (options.worker) parts->StartWorker();
  // Its first run, before the port file is written, makes health say SERVING.
  parts->RunMaintenance();
  parts->maintenance.Start([p = parts.get()](const base::StopSignal& stop) {
    while (!stop.WaitFor(p->options.expire_interval)) p->RunMaintenance();
  });
  status = WritePortFile(options.port_file, parts->grpc->port(), parts->metrics.port());
  if (!status.ok()) return status;
  spdlog::info("mgral-server {} serves on port {} (metrics on {}), roles{}{}, device {}",
               MGRAL_VERSION, parts->grpc->port(), parts->metrics.port(), options.api ? " api" : "",
               options.worker ? " worker" : "", device);
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

bool Server::Drain() {
  const absl::Time deadline = absl::Now() + parts_->options.drain_timeout;
  parts_->worker.RequestStop();
  parts_->calls.StartDraining();
  parts_->serving = false;
  parts_->grpc->Drain(parts_->options.drain_timeout);
  parts_->loader.StopFetching();  // of the running job
  return parts_->worker.WaitFor(std::max(deadline - absl::Now(), kLastMoment));
}

}  // namespace mgral::server
