#include <set>
#include <string>
#include <vector>

#include "client/cpp/lib/client.h"
#include "client/cpp/lib/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/fake_server.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

const grpc::Status kGone(grpc::UNAVAILABLE, "gone");

class RetryTest : public testing::Test {
 protected:
  FakeServer server_;
  FakeServices& services_ = server_.services();
  std::vector<absl::Duration> waits_;
  std::unique_ptr<Client> client_ = server_.MakeClient(&waits_);
};

TEST_F(RetryTest, AReadIsRepeatedUntilItSucceeds) {
  services_.failures = {kGone, kGone};
  const auto pool = client_->GetPool("pools/cats");
  ASSERT_TRUE(pool.ok()) << pool.status();
  EXPECT_EQ(pool->name(), "pools/cats");
  EXPECT_THAT(waits_, SizeIs(2));
  EXPECT_THAT(services_.calls, SizeIs(3));
}

TEST_F(RetryTest, TheServersHintIsHonored) {
  services_.failures = {
      Refusal(grpc::RESOURCE_EXHAUSTED, "OVERLOADED", "busy", "", absl::Milliseconds(321))};
  EXPECT_TRUE(client_->GetPool("pools/cats").ok());
  EXPECT_THAT(waits_, ElementsAre(absl::Milliseconds(321)));
}

TEST_F(RetryTest, ItGivesUpInTheEnd) {
  services_.failures.assign(20, kGone);
  const auto pool = client_->GetPool("pools/cats");
  EXPECT_TRUE(absl::IsUnavailable(pool.status()));
  EXPECT_THAT(services_.calls, SizeIs(client_->options().retry.max_attempts));
}

TEST_F(RetryTest, RefusalsAreNotRepeated) {
  services_.failures = {
      Refusal(grpc::INVALID_ARGUMENT, "INVALID_FIELD", "no classes", "pool.classes")};
  const auto pool = client_->CreatePool({});
  EXPECT_TRUE(absl::IsInvalidArgument(pool.status()));
  EXPECT_EQ(Reason(pool.status()), "INVALID_FIELD");
  ASSERT_THAT(FieldViolations(pool.status()), SizeIs(1));
  EXPECT_EQ(FieldViolations(pool.status())[0].field, "pool.classes");
  EXPECT_THAT(services_.calls, SizeIs(1));
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(RetryTest, ARepeatedMutationKeepsItsRequestId) {
  services_.failures = {kGone, kGone};
  v1::QueryBatchRequest request;
  request.set_parent("pools/cats");
  ASSERT_TRUE(client_->QueryBatch(request).ok());
  ASSERT_THAT(services_.request_ids, SizeIs(3));
  EXPECT_EQ(
      std::set<std::string>(services_.request_ids.begin(), services_.request_ids.end()).size(), 1u);
  ASSERT_TRUE(client_->QueryBatch(request).ok());
  EXPECT_NE(services_.request_ids[3], services_.request_ids[0]);  // another call, another batch
  request.set_request_id("mine");
  ASSERT_TRUE(client_->QueryBatch(request).ok());
  EXPECT_EQ(services_.request_ids[4], "mine");
}

TEST_F(RetryTest, APoolThatIsGoneOnTheSecondAttemptWasDeletedByTheFirst) {
  services_.failures = {kGone, Refusal(grpc::NOT_FOUND, "NOT_FOUND", "no pool")};
  EXPECT_TRUE(client_->DeletePool("pools/cats").ok());
  services_.failures = {Refusal(grpc::NOT_FOUND, "NOT_FOUND", "no pool")};
  EXPECT_TRUE(absl::IsNotFound(client_->DeletePool("pools/cats")));
}

TEST_F(RetryTest, PagesAreWalkedAndAFailedPageIsAskedForAgain) {
  services_.failures = {grpc::Status::OK, kGone};
  const auto pools = client_->ListPools().All();
  ASSERT_TRUE(pools.ok()) << pools.status();
  ASSERT_THAT(*pools, SizeIs(5));
  EXPECT_EQ((*pools)[4].name(), "pools/p4");
  EXPECT_THAT(services_.calls, SizeIs(4));
}

TEST_F(RetryTest, AnErrorOnAPageEndsTheWalkWithIt) {
  services_.failures = {grpc::Status::OK, Refusal(grpc::PERMISSION_DENIED, "NO", "no")};
  EXPECT_TRUE(absl::IsPermissionDenied(client_->ListPools().All().status()));
}

TEST(Pages, ARepeatedTokenIsAnErrorAndNoEndlessLoop) {
  Pages<int> pages([](const std::string&) -> absl::StatusOr<Pages<int>::Page> {
    return Pages<int>::Page{{}, "same"};
  });
  EXPECT_TRUE(absl::IsInternal(pages.All().status()));
}

TEST_F(RetryTest, AnExportIsRepeatedOnlyBeforeItsFirstPiece) {
  services_.failures = {kGone};
  std::string text;
  const auto sink = [&text](absl::string_view piece) {
    text.append(piece.data(), piece.size());
    return absl::OkStatus();
  };
  EXPECT_TRUE(client_->ExportLabels({}, sink).ok());
  EXPECT_EQ(text, R"({"images": []})");
  services_.failures = {grpc::Status(grpc::ABORTED, "cut off")};
  EXPECT_TRUE(absl::IsAborted(client_->ExportLabels({}, sink)));
  // A sink that fails stops it.
  EXPECT_TRUE(absl::IsDataLoss(
      client_->ExportLabels({}, [](absl::string_view) { return absl::DataLossError("full"); })));
}

TEST(NobodyListens, IsAConnectionFailure) {
  ClientOptions options;
  {
    FakeServer gone;
    options.target = gone.target();
  }
  options.retry.sleep = [](absl::Duration) {};
  Client client(options);
  const auto pool = client.GetPool("pools/cats");
  EXPECT_TRUE(absl::IsUnavailable(pool.status()));
  EXPECT_TRUE(IsConnectionFailure(pool.status()));
}

}  // namespace
}  // namespace mgral::client
