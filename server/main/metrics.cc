#include "server/main/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <utility>

namespace mgral::server {
namespace {

const prometheus::Histogram::BucketBoundaries& CallBuckets() {
  static const auto* buckets = new prometheus::Histogram::BucketBoundaries{
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *buckets;
}

const prometheus::Histogram::BucketBoundaries& JobBuckets() {
  static const auto* buckets = new prometheus::Histogram::BucketBoundaries{
      0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400};
  return *buckets;
}

prometheus::ClientMetric GaugeOf(double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  return metric;
}

}  // namespace

// Values that are asked for when they are collected, and pools, which come and go.
class Metrics::LiveGauges : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<prometheus::MetricFamily> families;
    for (const Live& live : live_) {
      families.push_back(
          {live.name, live.help, prometheus::MetricType::Gauge, {GaugeOf(live.value())}});
    }
    prometheus::MetricFamily images{
        "mgral_pool_images", "Images of a pool by state.", prometheus::MetricType::Gauge, {}};
    for (const domain::Pool& pool : pools_) {
      const std::pair<const char*, int64_t> states[] = {{"unlabeled", pool.counts.unlabeled},
                                                        {"leased", pool.counts.leased},
                                                        {"labeled", pool.counts.labeled},
                                                        {"rejected", pool.counts.rejected}};
      for (const auto& [state, count] : states) {
        images.metric.push_back(GaugeOf(static_cast<double>(count)));
        images.metric.back().label = {{"pool", pool.pool_id}, {"state", state}};
      }
    }
    if (!images.metric.empty()) families.push_back(std::move(images));
    return families;
  }
  void Add(const std::string& name, const std::string& help, std::function<double()> value) {
    std::lock_guard<std::mutex> lock(mutex_);
    live_.push_back({name, help, std::move(value)});
  }
  void SetPools(const std::vector<domain::Pool>& pools) {
    std::lock_guard<std::mutex> lock(mutex_);
    pools_ = pools;
  }

 private:
  struct Live {
    std::string name, help;
    std::function<double()> value;
  };
  mutable std::mutex mutex_;
  std::vector<Live> live_;
  std::vector<domain::Pool> pools_;
};

Metrics::Metrics(const std::string& version)
    : registry_(std::make_unique<prometheus::Registry>()),
      calls_(prometheus::BuildCounter()
                 .Name("mgral_rpc_total")
                 .Help("Calls that ended, by method and code.")
                 .Register(*registry_)),
      call_seconds_(prometheus::BuildHistogram()
                        .Name("mgral_rpc_seconds")
                        .Help("How long calls took, by method; streams from first to last message.")
                        .Register(*registry_)),
      jobs_(prometheus::BuildCounter()
                .Name("mgral_jobs_total")
                .Help("Jobs of cycles that ended in this worker, by stage and outcome.")
                .Register(*registry_)),
      job_seconds_(prometheus::BuildHistogram()
                       .Name("mgral_cycle_stage_seconds")
                       .Help("How long jobs took in this worker, by stage.")
                       .Register(*registry_)),
      leases_expired_(prometheus::BuildCounter()
                          .Name("mgral_leases_expired_total")
                          .Help("Batches whose lease was over before all of it was labelled.")
                          .Register(*registry_)
                          .Add({})),
      database_up_(prometheus::BuildGauge()
                       .Name("mgral_database_up")
                       .Help("1 while the database answers.")
                       .Register(*registry_)
                       .Add({})),
      live_(std::make_unique<LiveGauges>()) {
  prometheus::BuildGauge()
      .Name("mgral_build_info")
      .Help("Always 1; the label says what runs.")
      .Register(*registry_)
      .Add({{"version", version}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::OnCall(const rpc::CallRecord& call) {
  calls_.Add({{"method", call.method}, {"code", call.code}}).Increment();
  call_seconds_.Add({{"method", call.method}}, CallBuckets()).Observe(call.seconds);
}

void Metrics::OnJob(const std::string& stage, const std::string& outcome, double seconds) {
  jobs_.Add({{"stage", stage}, {"outcome", outcome}}).Increment();
  job_seconds_.Add({{"stage", stage}}, JobBuckets()).Observe(seconds);
}

void Metrics::OnLeasesExpired(int64_t batches) {
  if (batches > 0) leases_expired_.Increment(static_cast<double>(batches));
}

void Metrics::SetDatabaseUp(bool up) { database_up_.Set(up ? 1 : 0); }

void Metrics::SetPools(const std::vector<domain::Pool>& pools) { live_->SetPools(pools); }

void Metrics::AddGauge(const std::string& name, const std::string& help,
                       std::function<double()> value) {
  live_->Add(name, help, std::move(value));
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (prometheus::MetricFamily& family : live_->Collect()) families.push_back(std::move(family));
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
