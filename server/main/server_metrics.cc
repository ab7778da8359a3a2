#include "server/main/server_metrics.h"

#include <vector>

#include "server/main/metric_family.h"
#include "server/main/resource_metrics.h"

namespace mgral::server {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

Families DatabaseGauges(const ServerState& state) {
  return {FamilyOf("mgral_database_connections", "Database connections in use.",
                   {{double(state.connections.in_use()), {}}}),
          FamilyOf("mgral_database_connections_limit", "Size of the database connection pool.",
                   {{double(state.connections.size()), {}}})};
}

Families WorkerGauges(const ServerState& state) {
  return {FamilyOf("mgral_worker_jobs_running", "Jobs that this worker is working on: 0 or 1.",
                   {{double(state.jobs_running), {}}})};
}

Families ApiGauges(const ServerState& state) {
  return {FamilyOf("mgral_api_serving", "1 while the health status is SERVING.",
                   {{double(state.serving), {}}}),
          FamilyOf("mgral_rpc_in_flight", "Calls in progress.",
                   {{double(state.calls.unary_in_flight()), {{"kind", "unary"}}},
                    {double(state.calls.streams_in_flight()), {{"kind", "stream"}}}}),
          FamilyOf("mgral_rpc_in_flight_limit", "Maximum number of concurrent calls.",
                   {{double(state.options.max_in_flight), {{"kind", "unary"}}},
                    {double(state.options.max_streams), {{"kind", "stream"}}}})};
}

}  // namespace

void AddServerMetrics(const ServerState& state, Metrics* metrics) {
  metrics->Add(ProcessFamilies);
  metrics->Add([state] { return DiskFamilies(state.options.artifact_dir); });
  metrics->Add([state] { return DatabaseGauges(state); });
  if (state.options.worker) {
    metrics->ExpectJobs();
    metrics->Add([state] { return WorkerGauges(state); });
  }
  if (state.options.api) metrics->Add([state] { return ApiGauges(state); });
}

}  // namespace mgral::server
