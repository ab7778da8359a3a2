// Batches over gRPC: nothing is handed out twice, what is over comes back.
#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "tests/e2e/api.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;

class LeasesTest : public ApiTest {
 protected:
  v1::Batch GetBatch(const std::string& name) {
    v1::GetBatchRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    v1::Batch batch;
    const auto status = api_.selection->GetBatch(&context, request, &batch);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return batch;
  }
  // Asks again until `done` or 30 s are over.
  static bool Eventually(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }
};

TEST_F(LeasesTest, ManyClientsNeverReceiveTheSameImage) {
  constexpr int kClients = 32, kSize = 3, kImages = 600;
  const std::string pool = MakePool();
  // The same 60 files under 600 ids.
  std::vector<v1::NewImage> images;
  for (int i = 0; i < kImages; ++i) {
    images.push_back(
        PathImage("image-" + std::to_string(i), ImageFolder::Name(i % ImageFolder::kImages)));
  }
  ASSERT_TRUE(Register(pool, images).ok());

  std::mutex mutex;
  std::map<std::string, int> given;
  std::atomic<int> failures{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&] {
      Api api(Server().NewChannel());
      while (true) {
        v1::QueryBatchRequest request;
        request.set_parent(pool);
        request.set_size(kSize);
        request.set_allow_fewer(true);
        grpc::ClientContext context;
        v1::Batch batch;
        const auto status = api.selection->QueryBatch(&context, request, &batch);
        if (status.error_code() == StatusCode::FAILED_PRECONDITION) return;  // all are given
        if (!status.ok()) {
          ADD_FAILURE() << status.error_message();
          ++failures;
          return;
        }
        std::lock_guard<std::mutex> lock(mutex);
        for (const v1::BatchImage& image : batch.images()) ++given[image.image_id()];
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(given.size(), static_cast<size_t>(kImages));
  for (const auto& [image_id, times] : given) EXPECT_EQ(times, 1) << image_id;
}

TEST_F(LeasesTest, AnExpiredLeaseReturnsItsImages) {
  const std::string pool = MakePool();
  RegisterImages(pool, 3);
  v1::Batch first, second;
  ASSERT_TRUE(
      Query(pool, 3, &first, [](auto* r) { r->mutable_lease_duration()->set_seconds(1); }).ok());
  EXPECT_EQ(first.state(), v1::BATCH_STATE_LEASED);
  ExpectRefused(Query(pool, 1, &second), StatusCode::FAILED_PRECONDITION, "POOL_EXHAUSTED", "size");
  ASSERT_TRUE(Eventually([&] { return Query(pool, 3, &second).ok(); }));
  EXPECT_EQ(GetBatch(first.name()).state(), v1::BATCH_STATE_EXPIRED);
  EXPECT_EQ(GetPool(pool).counts().leased(), 3);

  // Work that was done under the lease is not thrown away.
  v1::NewLabels labels = LabelsOf(first.images(0).image_id(), 0, 0, 4, 4);
  labels.set_batch(first.name());
  v1::BatchIngestLabelsResponse response;
  const auto status = Ingest(pool, {labels}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.late(), 1);
  EXPECT_TRUE(ListLabels(pool)[0].late());

  v1::RenewBatchRequest renew;
  renew.set_name(first.name());
  grpc::ClientContext context;
  v1::Batch renewed;
  ExpectRefused(api_.selection->RenewBatch(&context, renew, &renewed),
                StatusCode::FAILED_PRECONDITION, "LEASE_OVER", "");
}

TEST_F(LeasesTest, RenewalReleaseAndCompletion) {
  const std::string pool = MakePool();
  RegisterImages(pool, 4);
  v1::Batch batch;
  ASSERT_TRUE(Query(pool, 2, &batch, [](auto* r) { r->set_annotator("ann-7"); }).ok());
  EXPECT_EQ(batch.annotator(), "ann-7");
  EXPECT_EQ(batch.strategy(), "random");  // there is no snapshot yet
  EXPECT_FALSE(batch.strategy_note().empty());
  EXPECT_EQ(batch.images(1).rank(), 1);
  EXPECT_FALSE(batch.images(0).reason().empty());

  v1::RenewBatchRequest renew;
  renew.set_name(batch.name());
  renew.mutable_lease_duration()->set_seconds(24 * 3600);
  v1::Batch renewed;
  grpc::ClientContext a, b, c;
  ASSERT_TRUE(api_.selection->RenewBatch(&a, renew, &renewed).ok());
  EXPECT_GT(renewed.expire_time().seconds(), batch.expire_time().seconds() + 3600);

  // One labeled, one refused: the batch is complete.
  v1::NewLabels labels = LabelsOf(batch.images(0).image_id(), 0, 0, 4, 4);
  labels.set_batch(batch.name());
  v1::NewLabels refused;
  refused.set_image_id(batch.images(1).image_id());
  refused.set_reject_reason("too dark");
  refused.set_batch(batch.name());
  ASSERT_TRUE(Ingest(pool, {labels, refused}).ok());
  EXPECT_EQ(GetBatch(batch.name()).state(), v1::BATCH_STATE_COMPLETED);
  EXPECT_EQ(GetPool(pool).counts().rejected(), 1);

  ASSERT_TRUE(Query(pool, 2, &batch).ok());
  v1::ReleaseBatchRequest release;
  release.set_name(batch.name());
  ASSERT_TRUE(api_.selection->ReleaseBatch(&b, release, &renewed).ok());
  EXPECT_EQ(renewed.state(), v1::BATCH_STATE_RELEASED);
  ASSERT_TRUE(api_.selection->ReleaseBatch(&c, release, &renewed).ok());  // twice is no error
  EXPECT_EQ(GetPool(pool).counts().unlabeled(), 2);
}

TEST_F(LeasesTest, ValidationImagesAreNeverHandedOut) {
  const std::string pool = MakePool();
  v1::NewImage reserved = PathImage("reserved", ImageFolder::Name(1));
  reserved.set_use(v1::IMAGE_USE_VALIDATION);
  ASSERT_TRUE(Register(pool, {PathImage("free", ImageFolder::Name(0)), reserved}).ok());
  v1::Batch batch;
  ASSERT_TRUE(Query(pool, 2, &batch, [](auto* r) { r->set_allow_fewer(true); }).ok());
  ASSERT_EQ(batch.images_size(), 1);
  EXPECT_EQ(batch.images(0).image_id(), "free");
  EXPECT_EQ(GetPool(pool).counts().validation(), 1);
}

TEST_F(LeasesTest, ListingsComeInPages) {
  const std::string pool = MakePool();
  RegisterImages(pool, 25);
  std::set<std::string> seen;
  v1::ListImagesRequest request;
  request.set_parent(pool);
  request.set_page_size(10);
  std::vector<int> sizes;
  do {
    grpc::ClientContext context;
    v1::ListImagesResponse response;
    ASSERT_TRUE(api_.pools->ListImages(&context, request, &response).ok());
    sizes.push_back(response.images_size());
    for (const v1::Image& image : response.images()) seen.insert(image.image_id());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(sizes, (std::vector<int>{10, 10, 5}));
  EXPECT_EQ(seen.size(), 25u);

  v1::Batch batch;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Query(pool, 2, &batch).ok());
  v1::ListBatchesRequest list;
  list.set_parent(pool);
  list.set_page_size(2);
  v1::ListBatchesResponse first, second;
  grpc::ClientContext a, b, c;
  ASSERT_TRUE(api_.selection->ListBatches(&a, list, &first).ok());
  ASSERT_EQ(first.batches_size(), 2);
  EXPECT_EQ(first.batches(0).name(), batch.name());  // the newest
  list.set_page_token(first.next_page_token());
  ASSERT_TRUE(api_.selection->ListBatches(&b, list, &second).ok());
  EXPECT_EQ(second.batches_size(), 1);
  EXPECT_TRUE(second.next_page_token().empty());

  // A token of another listing is refused.
  request.set_page_token(first.next_page_token());
  v1::ListImagesResponse response;
  ExpectRefused(api_.pools->ListImages(&c, request, &response), StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "page_token");
}

}  // namespace
}  // namespace mgral::test
