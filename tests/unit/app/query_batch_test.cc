#include "server/app/query_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/app/estimate_gain.h"
#include "server/base/errors.h"
#include "tests/support/fake_selection_runtime.h"

namespace mgral::app {
namespace {

using ::testing::HasSubstr;

class FakeBatchStore : public domain::BatchStore {
 public:
  absl::StatusOr<domain::Batch> LeaseBatch(const LeaseRequest& request,
                                           const Estimator& estimator) override {
    ++leases;
    last = request;
    domain::Batch batch;
    std::vector<TableImage> images(request.size);
    for (TableImage& image : images) image.entry = test::FakeSelectionRuntime::Entry();
    const auto gain = estimator(test::FakeSelectionRuntime::Table(2), images);
    if (!gain.ok()) return gain.status();
    batch.estimated_gain = *gain;
    return batch;
  }
  absl::StatusOr<domain::Batch> GetBatch(int64_t, const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<domain::Page<domain::Batch>> ListBatches(
      int64_t, const domain::PageRequest&, std::optional<domain::BatchState>) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<domain::Batch> RenewBatch(int64_t, const std::string&, absl::Duration) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<domain::Batch> ReleaseBatch(int64_t, const std::string&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<int64_t> RunMaintenance() override { return 0; }
  absl::StatusOr<TableLookup> LookUp(int64_t, const std::vector<std::string>& ids) override {
    TableLookup lookup;
    lookup.table = test::FakeSelectionRuntime::Table(2);
    lookup.images.resize(ids.size());
    for (auto& image : lookup.images) image.entry = test::FakeSelectionRuntime::Entry();
    lookup.table_version = 3;
    return lookup;
  }
  LeaseRequest last;
  int leases = 0;
};

class QueryBatchTest : public ::testing::Test {
 protected:
  std::string Blamed(const BatchQuery& query) {
    const auto batch = query_.Run(pool_, query, {});
    const auto violations = base::FieldViolations(batch.status());
    return violations.empty() ? "" : violations[0].field;
  }
  domain::Pool pool_;
  FakeBatchStore batches_;
  test::FakeSelectionRuntime runtime_;
  QueryBatch query_{&batches_, &runtime_};
};

TEST_F(QueryBatchTest, InvalidQueriesNeverReachTheStore) {
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
  EXPECT_EQ(batches_.leases, 0);
}

TEST_F(QueryBatchTest, DefaultsAreThePoolsAndAnHour) {
  pool_.selection.strategy = "core_set";
  BatchQuery query;
  query.size = 5;
  const auto batch = query_.Run(pool_, query, {"QueryBatch", "r", "f"});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batches_.last.strategy, "core_set");
  EXPECT_EQ(batches_.last.lease, absl::Hours(1));
  EXPECT_EQ(batches_.last.request.request_id, "r");
  EXPECT_DOUBLE_EQ(batch->estimated_gain->mean, 0.05);
}

TEST_F(QueryBatchTest, EstimateGainTakesDistinctImages) {
  const auto fields = [&](const std::vector<std::string>& ids) {
    const auto gain = EstimateGain(&batches_, &runtime_, 1, ids);
    const auto violations = base::FieldViolations(gain.status());
    return violations.empty() ? "" : violations[0].field;
  };
  EXPECT_EQ(fields({}), "image_ids");
  EXPECT_EQ(fields(std::vector<std::string>(10001, "a")), "image_ids");
  EXPECT_EQ(fields({"a", "b", "a"}), "image_ids[2]");
  EXPECT_EQ(fields({"a", ""}), "image_ids[1]");
  const auto gain = EstimateGain(&batches_, &runtime_, 1, {"a", "b"});
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
  batch.strategy = "mgral";
  image.cell = -1;
  EXPECT_THAT(ReasonFor(batch, image, {"cat", "dog"}), HasSubstr("newer than the snapshot"));
}

}  // namespace
}  // namespace mgral::app
