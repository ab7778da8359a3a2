#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/domain/job_queue.h"

namespace mgral::test {

class MockJobQueue : public domain::JobQueue {
 public:
  using Claimed = absl::StatusOr<std::optional<domain::JobLease>>;
  using Metrics = std::vector<std::pair<std::string, double>>;
  using Strings = absl::StatusOr<std::vector<std::string>>;
  MOCK_METHOD(Claimed, Claim, (const std::string&, absl::Duration), (override));
  MOCK_METHOD(absl::Status, Heartbeat, (const domain::JobLease&, absl::Duration, double),
              (override));
  MOCK_METHOD(absl::Status, Complete,
              (const domain::JobLease&, const std::string&, double, const Metrics&,
               const std::vector<domain::NewJob>&),
              (override));
  MOCK_METHOD(absl::Status, Fail, (const domain::JobLease&, const std::string&), (override));
  MOCK_METHOD(absl::Status, Release, (const domain::JobLease&), (override));
  MOCK_METHOD(absl::Status, Retry,
              (const domain::JobLease&, const domain::RetryCounts&, absl::Duration), (override));
  MOCK_METHOD(Strings, Results, (int64_t, domain::JobKind), (override));
  MOCK_METHOD(bool, WaitForJob, (absl::Duration), (override));
};

}  // namespace mgral::test
