#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/domain/job_queue.h"
#include "server/storage/change_listener.h"
#include "server/storage/connection_pool.h"

namespace mgral::storage {

// Whoever locks a job's row and its cycle's takes the job first; nobody waits for a second job.
class PostgresJobQueue : public domain::JobQueue {
 public:
  struct Options {
    int max_attempts = 5;
    // How often WaitForJob looks for itself: expired leases notify nobody.
    absl::Duration poll_interval = absl::Seconds(1);
  };
  PostgresJobQueue(ConnectionPool& connections, ChangeListener& listener, Options options);
  PostgresJobQueue(ConnectionPool& connections, ChangeListener& listener)
      : PostgresJobQueue(connections, listener, Options()) {}

  absl::StatusOr<std::optional<domain::JobLease>> Claim(const std::string& worker,
                                                        absl::Duration lease) override;
  absl::Status Heartbeat(const domain::JobLease& job, absl::Duration lease,
                         double fraction) override;
  absl::Status Complete(const domain::JobLease& job, const std::string& result, double seconds,
                        const std::vector<std::pair<std::string, double>>& metrics,
                        const std::vector<domain::NewJob>& next) override;
  absl::Status Fail(const domain::JobLease& job, const std::string& error) override;
  absl::Status Release(const domain::JobLease& job) override;
  absl::Status Retry(const domain::JobLease& job, const domain::RetryCounts& counts,
                     absl::Duration delay) override;
  absl::StatusOr<std::vector<std::string>> Results(int64_t cycle_key,
                                                   domain::JobKind kind) override;
  bool WaitForJob(absl::Duration timeout) override;

 private:
  ConnectionPool& connections_;
  ChangeListener& listener_;
  const Options options_;
};

}  // namespace mgral::storage
