#include "server/main/metrics.h"

#include <prometheus/text_serializer.h>

#include <utility>

#include "server/domain/job_queue.h"
#include "server/main/statistics_metrics.h"

namespace mgral::server {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets& CallBuckets() {
  static const auto* buckets =
      new Buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *buckets;
}

const Buckets& JobBuckets() {
  static const auto* buckets =
      new Buckets{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400};
  return *buckets;
}

constexpr const char* kOutcomes[] = {"completed", "failed", "released", "lost"};

template <typename Builder>
auto& Register(Builder builder, prometheus::Registry& registry, const std::string& name,
               const std::string& help) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

prometheus::Counter& Metrics::AddCounter(const std::string& name, const std::string& help) {
  return Register(prometheus::BuildCounter(), *registry_, name, help).Add({});
}

Metrics::Metrics(const std::string& version)
    : registry_(std::make_unique<prometheus::Registry>()),
      calls_(
          Register(prometheus::BuildCounter(), *registry_, "mgral_rpc_total", "Completed calls.")),
      call_seconds_(Register(prometheus::BuildHistogram(), *registry_, "mgral_rpc_seconds",
                             "Call duration; of streams, from the first message to the last.")),
      refused_(Register(prometheus::BuildCounter(), *registry_, "mgral_rpc_refused_total",
                        "Calls refused at the limit.")),
      jobs_(Register(prometheus::BuildCounter(), *registry_, "mgral_jobs_total",
                     "Jobs that ended in this worker.")),
      taken_over_(Register(prometheus::BuildCounter(), *registry_, "mgral_jobs_taken_over_total",
                           "Jobs that this worker claimed after another's lease expired.")),
      job_seconds_(Register(prometheus::BuildHistogram(), *registry_, "mgral_cycle_stage_seconds",
                            "Job duration in this worker.")),
      leases_granted_(AddCounter("mgral_leases_granted_total", "Batches leased by this process.")),
      leases_expired_(AddCounter("mgral_leases_expired_total",
                                 "Batches whose lease expired before all images were labeled.")),
      labels_(AddCounter("mgral_labels_total", "Images whose labels this process stored.")),
      labels_late_(AddCounter("mgral_labels_late_total",
                              "Images whose labels this process stored after their lease.")),
      database_up_(Register(prometheus::BuildGauge(), *registry_, "mgral_database_up",
                            "1 while the database responds.")
                       .Add({})) {
  Register(prometheus::BuildGauge(), *registry_, "mgral_build_info",
           "Always 1; the label names the running version.")
      .Add({{"version", version}})
      .Set(1);
  for (const char* kind : {"unary", "stream"}) refused_.Add({{"kind", kind}});
}

Metrics::~Metrics() = default;

void Metrics::OnCall(const rpc::CallRecord& call) {
  const char* const kind = call.stream ? "stream" : "unary";
  calls_.Add({{"method", call.method}, {"code", call.code}}).Increment();
  call_seconds_.Add({{"method", call.method}, {"kind", kind}}, CallBuckets()).Observe(call.seconds);
  if (call.refused) refused_.Add({{"kind", kind}}).Increment();
}

void Metrics::ExpectJobs() {
  using domain::JobKind;
  for (int kind = static_cast<int>(JobKind::kTrain); kind <= static_cast<int>(JobKind::kPublish);
       ++kind) {
    const std::string stage = domain::JobKindName(static_cast<JobKind>(kind));
    for (const char* outcome : kOutcomes) jobs_.Add({{"stage", stage}, {"outcome", outcome}});
    taken_over_.Add({{"stage", stage}});
    job_seconds_.Add({{"stage", stage}}, JobBuckets());
  }
}

void Metrics::OnClaim(const std::string& stage, int attempt) {
  if (attempt > 1) taken_over_.Add({{"stage", stage}}).Increment();
}

void Metrics::OnJob(const std::string& stage, const std::string& outcome, double seconds) {
  jobs_.Add({{"stage", stage}, {"outcome", outcome}}).Increment();
  job_seconds_.Add({{"stage", stage}}, JobBuckets()).Observe(seconds);
}

void Metrics::OnLeases(const domain::BatchStore::Events& events) {
  leases_granted_.Increment(static_cast<double>(events.granted));
  leases_expired_.Increment(static_cast<double>(events.expired));
}

void Metrics::OnLabels(const domain::LabelStore::Ingested& labels) {
  labels_.Increment(static_cast<double>(labels.ingested));
  labels_late_.Increment(static_cast<double>(labels.late));
}

void Metrics::SetDatabaseUp(bool up) { database_up_.Set(up ? 1 : 0); }

void Metrics::SetStatistics(std::optional<domain::Statistics> statistics) {
  std::lock_guard<std::mutex> lock(mutex_);
  statistics_ = std::move(statistics);
}

void Metrics::Add(Collector collector) {
  std::lock_guard<std::mutex> lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  const auto append = [&](std::vector<prometheus::MetricFamily> more) {
    for (prometheus::MetricFamily& family : more) families.push_back(std::move(family));
  };
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Collector& collector : collectors_) append(collector());
  if (statistics_) append(StatisticsFamilies(*statistics_));
  return prometheus::TextSerializer().Serialize(families);
}

absl::Status Metrics::Listen(const std::string& address) {
  auto page = HttpPage::Listen(address, "/metrics", "text/plain; version=0.0.4; charset=utf-8",
                               [this] { return Text(); });
  if (!page.ok()) return page.status();
  page_ = *std::move(page);
  return absl::OkStatus();
}

}  // namespace mgral::server
