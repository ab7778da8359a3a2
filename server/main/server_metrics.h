#pragma once

#include <atomic>

#include "server/main/metrics.h"
#include "server/main/options.h"
#include "server/rpc/call_runner.h"
#include "server/storage/connection_pool.h"

namespace mgral::server {

// What the gauges of a running server read, each time that somebody asks for the metrics page.
struct ServerState {
  const Options& options;
  const storage::ConnectionPool& connections;
  const rpc::CallRunner& calls;
  const std::atomic<bool>& serving;
  const std::atomic<int>& jobs_running;
};

// Adds the gauges of the process, the disk, the database connections, and of the roles that the
// options name. All of `state` outlives metrics' StopListening.
void AddServerMetrics(const ServerState& state, Metrics* metrics);

}  // namespace mgral::server
