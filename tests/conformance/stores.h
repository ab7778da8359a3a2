#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/base/errors.h"
#include "server/domain/batch_store.h"
#include "server/domain/cycle_store.h"
#include "server/domain/job_queue.h"
#include "server/domain/label_store.h"
#include "server/domain/pool_store.h"
#include "server/domain/prediction_store.h"
#include "server/domain/statistics_store.h"

namespace mgral::test {

// The stores of one implementation, on an empty database, and the hands of the clock.
class Stores {
 public:
  virtual ~Stores() = default;
  virtual domain::PoolStore& pools() = 0;
  virtual domain::BatchStore& batches() = 0;
  virtual domain::LabelStore& labels() = 0;
  virtual domain::CycleStore& cycles() = 0;
  virtual domain::PredictionStore& predictions() = 0;
  virtual domain::JobQueue& jobs() = 0;  // max_attempts is 3
  virtual domain::StatisticsStore& statistics() = 0;
  // What the stores have told their observers, added up.
  struct Seen {
    int64_t granted = 0, expired = 0, labels = 0, late = 0;
  };
  virtual Seen seen() const = 0;
  // As if the time of the lease had passed.
  virtual void EndBatchLease(const std::string& batch_id) = 0;
  virtual void EndJobLeases() = 0;
  // As if the delays of JobQueue::Retry had passed.
  virtual void EndJobDelays() = 0;
  // As if jobs had waited, and cycles had got on, so much earlier.
  virtual void AgeWork(absl::Duration by) = 0;
};
std::unique_ptr<Stores> MakeStores();

// A pool and short words for what most tests do.
class StoresTest : public ::testing::Test {
 protected:
  void SetUp() override;

  domain::PoolStore& pools() { return stores_->pools(); }
  domain::BatchStore& batches() { return stores_->batches(); }
  domain::LabelStore& labels() { return stores_->labels(); }
  domain::CycleStore& cycles() { return stores_->cycles(); }
  domain::JobQueue& jobs() { return stores_->jobs(); }

  domain::Pool MakePool(const std::string& pool_id);
  // img-0, img-1, ... of `pool_`, beginning with number `first`.
  void Register(int count, int first = 0, domain::ImageUse use = domain::ImageUse::kTraining);
  std::vector<int64_t> Keys(const std::vector<std::string>& image_ids);
  domain::BatchStore::LeaseRequest Ask(int size, const std::string& strategy = "random");
  domain::Batch Lease(int size, const std::string& strategy = "random");
  absl::StatusOr<domain::LabelStore::Ingested> Label(const std::vector<std::string>& image_ids,
                                                     const std::string& batch_id = "");
  domain::ImageState StateOf(const std::string& image_id);
  domain::PoolCounts Counts();

  // Claims the next job, which must be of that kind.
  domain::JobLease Claim(domain::JobKind kind, const std::string& worker = "worker");
  // Runs a cycle up to its claimed kPublish job, with a recorded model.
  domain::JobLease RunToPublish();
  // A whole cycle that publishes one queue, with a table whose bytes are "table".
  void PublishQueue(const std::string& strategy, const std::vector<std::string>& image_ids);
  domain::CycleStore::Snapshot SnapshotOf(const std::string& strategy,
                                          const std::vector<std::string>& image_ids);

  std::unique_ptr<Stores> stores_;
  domain::Pool pool_;
};

domain::NewImage ImageAt(const std::string& image_id, const std::string& path);
domain::RequestKey Request(const std::string& method, const std::string& id,
                           const std::string& fingerprint = "fingerprint");
std::vector<std::string> Ids(const domain::Batch& batch);

// The first field that a status complains about.
std::string FieldOf(const absl::Status& status);

#define ASSERT_OK(expression)                                     \
  do {                                                            \
    const auto& ok_result = (expression);                         \
    ASSERT_TRUE(ok_result.ok()) << ::mgral::test::Say(ok_result); \
  } while (false)
#define EXPECT_OK(expression)                                     \
  do {                                                            \
    const auto& ok_result = (expression);                         \
    EXPECT_TRUE(ok_result.ok()) << ::mgral::test::Say(ok_result); \
  } while (false)
inline std::string Say(const absl::Status& status) { return status.ToString(); }
template <typename T>
std::string Say(const absl::StatusOr<T>& result) {
  return result.status().ToString();
}
template <typename T>
T Value(absl::StatusOr<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status();
    return T();
  }
  return *std::move(result);
}

}  // namespace mgral::test
