#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <vector>

#include "server/domain/cycle_store.h"

namespace mgral::test {

class MockCycleStore : public domain::CycleStore {
 public:
  using Cycle = domain::Cycle;
  using JobLease = domain::JobLease;
  using Model = domain::Model;
  using RequestKey = domain::RequestKey;
  using PageRequest = domain::PageRequest;
  using CyclePage = absl::StatusOr<domain::Page<Cycle>>;
  using ModelPage = absl::StatusOr<domain::Page<Model>>;
  using Strings = std::vector<std::string>;
  using Batches = absl::StatusOr<std::vector<domain::Batch>>;
  using Snapshots = absl::StatusOr<std::optional<Published>>;

  MOCK_METHOD(absl::StatusOr<Cycle>, StartCycle, (int64_t, bool, const RequestKey&), (override));
  MOCK_METHOD(absl::StatusOr<Cycle>, GetCycle, (int64_t, const std::string&), (override));
  MOCK_METHOD(CyclePage, ListCycles, (int64_t, const PageRequest&), (override));
  MOCK_METHOD(absl::StatusOr<Cycle>, WaitForChange,
              (int64_t, const std::string&, int64_t, absl::Duration), (override));
  MOCK_METHOD(absl::StatusOr<Cycle>, CancelCycle, (int64_t, const std::string&), (override));
  MOCK_METHOD(absl::StatusOr<CycleContext>, ContextOf, (const JobLease&), (override));
  MOCK_METHOD(absl::StatusOr<CycleContext>, FixInputs, (const JobLease&, const std::string&),
              (override));
  MOCK_METHOD(absl::StatusOr<Strings>, LiveWorkIds, (), (override));
  MOCK_METHOD(absl::Status, LeaveOut, (const JobLease&, const std::vector<domain::LeftOutImage>&),
              (override));
  MOCK_METHOD(absl::Status, KeepArtifacts, (const JobLease&, const Strings&), (override));
  MOCK_METHOD(absl::StatusOr<Model>, RecordModel, (const JobLease&, const TrainedModel&),
              (override));
  MOCK_METHOD(absl::Status, Publish, (const JobLease&, const Snapshot&, double), (override));
  MOCK_METHOD(absl::StatusOr<Model>, ImportModel,
              (int64_t, const ImportedModel&, const RequestKey&), (override));
  MOCK_METHOD(absl::StatusOr<Model>, Rollback, (int64_t, int64_t, const RequestKey&), (override));
  MOCK_METHOD(Snapshots, PublishedSnapshot, (int64_t), (override));
  MOCK_METHOD(Batches, BatchesSincePublished, (int64_t), (override));
  MOCK_METHOD(absl::StatusOr<Model>, GetModel, (int64_t, int64_t), (override));
  MOCK_METHOD(ModelPage, ListModels, (int64_t, const PageRequest&), (override));
};

}  // namespace mgral::test
