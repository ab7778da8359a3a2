#include "server/app/query_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/app/estimate_gain.h"
#include "server/base/errors.h"
#include "tests/support/fake_selection_runtime.h"

namespace mgral::app {
namespace {

using ::testing::DoAll;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Return;
using ::testing::SaveArg;

class MockBatchStore : public domain::BatchStore {
 public:
  using Batch = domain::Batch;
  MOCK_METHOD(absl::StatusOr<Batch>, LeaseBatch, (const LeaseRequest&, const Estimator&),
              (override));
  MOCK_METHOD(absl::StatusOr<Batch>, GetBatch, (int64_t, const std::string&), (override));
  MOCK_METHOD(absl::StatusOr<domain::Page<Batch>>, ListBatches,
              (int64_t, const domain::PageRequest&, std::optional<domain::BatchState>), (override));
  MOCK_METHOD(absl::StatusOr<Batch>, RenewBatch, (int64_t, const std::string&, absl::Duration),
              (override));
  MOCK_METHOD(absl::StatusOr<Batch>, ReleaseBatch, (int64_t, const std::string&), (override));
  MOCK_METHOD(absl::StatusOr<int64_t>, RunMaintenance, (), (override));
  MOCK_METHOD(absl::StatusOr<TableLookup>, LookUp, (int64_t, const std::vector<std::string>&),
              (override));
};

// What a store leases: `size` images of one table, with the estimator's gain.
absl::StatusOr<domain::Batch> Lease(const domain::BatchStore::LeaseRequest& request,
                                    const domain::BatchStore::Estimator& estimator) {
  std::vector<domain::BatchStore::TableImage> images(request.size);
  for (auto& image : images) image.entry = test::FakeSelectionRuntime::Entry();
  const auto gain = estimator(test::FakeSelectionRuntime::Table(2), images);
  if (!gain.ok()) return gain.status();
  domain::Batch batch;
  batch.estimated_gain = *gain;
  return batch;
}

class QueryBatchTest : public ::testing::Test {
 protected:
  std::string Blamed(const BatchQuery& query) {
    const auto batch = query_.Run(pool_, query, {});
    const auto violations = base::FieldViolations(batch.status());
    return violations.empty() ? "" : violations[0].field;
  }
  domain::Pool pool_;
  testing::StrictMock<MockBatchStore> batches_;
  test::FakeSelectionRuntime runtime_;
  QueryBatch query_{&batches_, &runtime_};
};

TEST_F(QueryBatchTest, InvalidQueriesNeverReachTheStore) {
  EXPECT_CALL(batches_, LeaseBatch).Times(0);
  BatchQuery query;
  EXPECT_EQ(Blamed(query), "size");
  query.size = 1'000'000'000;
  EXPECT_EQ(Blamed(query), "size");
  query.size = 5;
  query.strategy = "luck";
  EXPECT_EQ(Blamed(query), "strategy");
  query.strategy = "";
  query.lease = absl::InfiniteDuration();
  EXPECT_EQ(Blamed(query), "lease_duration");
  query.lease = absl::Milliseconds(999);
  EXPECT_EQ(Blamed(query), "lease_duration");
  query.lease = std::nullopt;
  query.annotator = std::string(129, 'a');
  EXPECT_EQ(Blamed(query), "annotator");
}

TEST_F(QueryBatchTest, DefaultsAreThePoolsAndAnHour) {
  pool_.selection.strategy = "core_set";
  pool_.selection.seconds_per_box = 4;
  BatchQuery query;
  query.size = 5;
  domain::BatchStore::LeaseRequest asked;
  EXPECT_CALL(batches_, LeaseBatch).WillOnce(DoAll(SaveArg<0>(&asked), Lease));
  const auto batch = query_.Run(pool_, query, {"QueryBatch", "r", "f"});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(asked.strategy, "core_set");
  EXPECT_EQ(asked.lease, absl::Hours(1));
  EXPECT_EQ(asked.request.request_id, "r");
  EXPECT_EQ(asked.cost.per_image, 0);
  EXPECT_EQ(asked.cost.per_box, 4);
  EXPECT_DOUBLE_EQ(batch->estimated_gain->mean, 0.05);
}

TEST_F(QueryBatchTest, EstimateGainTakesDistinctImages) {
  const auto fields = [&](const std::vector<std::string>& ids) {
    const auto gain = EstimateGain(&batches_, &runtime_, pool_, ids);
    const auto violations = base::FieldViolations(gain.status());
    return violations.empty() ? "" : violations[0].field;
  };
  EXPECT_EQ(fields({}), "image_ids");
  EXPECT_EQ(fields(std::vector<std::string>(10001, "a")), "image_ids");
  EXPECT_EQ(fields({"a", "b", "a"}), "image_ids[2]");
  EXPECT_EQ(fields({"a", ""}), "image_ids[1]");
  domain::BatchStore::TableLookup lookup;
  lookup.table = test::FakeSelectionRuntime::Table(2);
  lookup.images.resize(2);
  for (auto& image : lookup.images) image.entry = test::FakeSelectionRuntime::Entry();
  lookup.table_version = 3;
  EXPECT_CALL(batches_, LookUp(pool_.key, ElementsAre("a", "b"))).WillOnce(Return(lookup));
  const auto gain = EstimateGain(&batches_, &runtime_, pool_, {"a", "b"});
  ASSERT_TRUE(gain.ok());
  EXPECT_DOUBLE_EQ(gain->gain.mean, 0.02);
  EXPECT_EQ(gain->table_version, 3);
}

TEST(ReasonForTest, SaysWhyInWords) {
  domain::Batch batch;
  batch.strategy = "random";
  domain::BatchImage image;
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("no model yet"));
  batch.model_version = 1;
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("random"));
  image.cell = 12;
  image.expected_gain = {0.001f, 0.02f};
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("cell 12"));
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("dog most (+0.0200)"));
  image.uniform = true;
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("drawn at random"));
  image.uniform = false;
  batch.strategy = "mgral";
  image.cell = -1;
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("newer than the snapshot"));
}

}  // namespace
}  // namespace mgral::app
