#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/pool.h"

namespace mgral::domain {

// What the database says of the service as a whole, for the metrics. Ages are in seconds of the
// database's clock; 0 where there is nothing of that kind.
struct Statistics {
  // Jobs of cycles that have not ended.
  int64_t jobs_waiting = 0;  // nobody has claimed them
  int64_t jobs_running = 0;  // claimed, and the lease is good
  int64_t jobs_overdue = 0;  // claimed, and the lease has run out: another worker may take them
  double oldest_waiting_seconds = 0;
  double oldest_overdue_seconds = 0;  // since the lease ran out
  int64_t cycles_queued = 0;
  int64_t cycles_running = 0;
  // Of the cycles that a worker is working on: the longest time without progress.
  double stalled_seconds = 0;
  int64_t pool_count = 0;

  struct PoolFigures {
    std::string pool_id;
    PoolCounts counts;
    bool cycle_running = false;      // or queued
    bool last_cycle_failed = false;  // of the cycles that ended
    // Of the published snapshot's cycle; nullopt before the first.
    struct Published {
      double age_seconds = 0;  // since its cycle ended
      double map50 = 0, map = 0;
      // Of the batches labeled before it; neither means anything without `realized_gain`.
      double predicted_gain = 0;
      std::optional<double> realized_gain;
      std::optional<int64_t> replay_probes;  // nullopt without a table
      std::optional<double> fidelity;        // nullopt when too few probes could tell
    };
    std::optional<Published> published;
  };
  // Those with the newest cycles first, then the newest.
  std::vector<PoolFigures> pools;
};

// Thread-safe.
class StatisticsStore {
 public:
  virtual ~StatisticsStore() = default;
  // One statement, cheap at any number of images. At most `max_pools` pools (>= 0).
  virtual absl::StatusOr<Statistics> Read(int max_pools) = 0;
};

}  // namespace mgral::domain
