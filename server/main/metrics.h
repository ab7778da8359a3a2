#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/domain/batch_store.h"
#include "server/domain/label_store.h"
#include "server/domain/statistics_store.h"
#include "server/main/http_page.h"
#include "server/rpc/call_runner.h"

namespace mgral::server {

// Everything that Prometheus collects; docs/reference/metrics.md lists it. Labels are of a bounded
// number: methods, codes, stages, outcomes, and kMaxPools pools. Thread-safe.
class Metrics {
 public:
  static constexpr int kMaxPools = 50;

  explicit Metrics(const std::string& version);
  ~Metrics();

  void OnCall(const rpc::CallRecord& call);
  // `attempt` > 1: of a job whose earlier worker fell silent.
  void OnClaim(const std::string& stage, int attempt);
  void OnJob(const std::string& stage, const std::string& outcome, double seconds);
  void OnLeases(const domain::BatchStore::Events& events);
  void OnLabels(const domain::LabelStore::Ingested& labels);
  void SetDatabaseUp(bool up);
  // nullopt: not known, so that nobody takes an old figure for a new one.
  void SetStatistics(std::optional<domain::Statistics> statistics);

  // Asked whenever the metrics are collected.
  using Collector = std::function<std::vector<prometheus::MetricFamily>()>;
  void Add(Collector collector);
  // What a worker counts, from 0 on: an increase from nothing at all is none for Prometheus.
  void ExpectJobs();

  // Serves /metrics. Errors: INVALID_ARGUMENT when the address cannot be listened on.
  absl::Status Listen(const std::string& address);
  int port() const { return page_ ? page_->port() : 0; }  // 0 unless it listens
  // Nothing that Add was given is asked any more.
  void StopListening() { page_.reset(); }
  // What /metrics answers.
  std::string Text() const;

 private:
  prometheus::Counter& AddCounter(const std::string& name, const std::string& help);

  std::unique_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& call_seconds_;
  prometheus::Family<prometheus::Counter>& refused_;
  prometheus::Family<prometheus::Counter>& jobs_;
  prometheus::Family<prometheus::Counter>& taken_over_;
  prometheus::Family<prometheus::Histogram>& job_seconds_;
  prometheus::Counter& leases_granted_;
  prometheus::Counter& leases_expired_;
  prometheus::Counter& labels_;
  prometheus::Counter& labels_late_;
  prometheus::Gauge& database_up_;

  mutable std::mutex mutex_;  // of what follows
  std::vector<Collector> collectors_;
  std::optional<domain::Statistics> statistics_;

  std::unique_ptr<HttpPage> page_;
};

}  // namespace mgral::server
