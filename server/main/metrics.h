#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/domain/types.h"
#include "server/main/http_page.h"
#include "server/rpc/call_runner.h"

namespace mgral::server {

// Everything that Prometheus is told. Labels are of a bounded number: methods, codes, stages,
// outcomes, and the first kMaxPools pools. Thread-safe.
class Metrics {
 public:
  static constexpr int kMaxPools = 50;

  explicit Metrics(const std::string& version);
  ~Metrics();

  void OnCall(const rpc::CallRecord& call);
  void OnJob(const std::string& stage, const std::string& outcome, double seconds);
  void OnLeasesExpired(int64_t batches);
  void SetDatabaseUp(bool up);
  void SetPools(const std::vector<domain::Pool>& pools);
  // Asked whenever the metrics are collected.
  void AddGauge(const std::string& name, const std::string& help, std::function<double()> value);

  // Serves /metrics. Errors: INVALID_ARGUMENT when the address cannot be listened on.
  absl::Status Listen(const std::string& address);
  int port() const { return page_ ? page_->port() : 0; }  // 0 unless it listens
  // Nothing that AddGauge was given is asked any more.
  void StopListening() { page_.reset(); }
  // What /metrics answers.
  std::string Text() const;

 private:
  class LiveGauges;

  std::unique_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& call_seconds_;
  prometheus::Family<prometheus::Counter>& jobs_;
  prometheus::Family<prometheus::Histogram>& job_seconds_;
  prometheus::Counter& leases_expired_;
  prometheus::Gauge& database_up_;
  std::unique_ptr<LiveGauges> live_;
  std::unique_ptr<HttpPage> page_;
};

}  // namespace mgral::server
