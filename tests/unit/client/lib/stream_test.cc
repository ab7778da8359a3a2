#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/fake_server.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr int kImages = 95;
constexpr int kChunk = 10;

v1::NewImage Image(int i, const std::string& prefix = "image") {
  v1::NewImage image;
  image.set_image_id(absl::StrCat(prefix, i));
  image.mutable_source()->set_path(absl::StrCat("a/", i, ".jpg"));
  return image;
}

std::vector<v1::NewImage> ManyImages() {
  std::vector<v1::NewImage> images;
  for (int i = 0; i < kImages; ++i) images.push_back(Image(i));
  return images;
}

class StreamTest : public testing::Test {
 protected:
  StreamTest() {
    stream_.chunk_items = kChunk;
    stream_.max_chunks_in_flight = 2;
  }

  absl::StatusOr<RegisterResult> Register(std::vector<v1::NewImage> images = ManyImages()) {
    return client_->RegisterImages("pools/cats", FromVector(std::move(images)), stream_,
                                   [this](int64_t done) { acknowledged_.push_back(done); });
  }
  static Break AfterCommits(int commits, bool unacknowledged = false) {
    Break broken;
    broken.commits = commits;
    broken.unacknowledged = unacknowledged;
    return broken;
  }

  FakeServer server_;
  FakeServices& services_ = server_.services();
  std::vector<absl::Duration> waits_;
  std::unique_ptr<Client> client_ = server_.MakeClient(&waits_);
  StreamOptions stream_;
  std::vector<int64_t> acknowledged_;
};

TEST_F(StreamTest, EverythingIsSentInChunksAndAcknowledged) {
  const auto result = Register();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->registered, kImages);
  EXPECT_EQ(result->existing, 0);
  EXPECT_EQ(result->reconnects, 0);
  EXPECT_THAT(services_.images, SizeIs(kImages));
  EXPECT_EQ(services_.largest_chunk, kChunk);
  EXPECT_EQ(services_.parent, "pools/cats");
  EXPECT_EQ(acknowledged_.back(), kImages);
  EXPECT_TRUE(std::is_sorted(acknowledged_.begin(), acknowledged_.end()));
}

TEST_F(StreamTest, NothingToSendAsksNothing) {
  const auto result = Register({});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(services_.stream_images, SizeIs(0));
}

TEST_F(StreamTest, ABrokenStreamGoesOnWithTheFirstImageNotAcknowledged) {
  services_.breaks = {AfterCommits(3), AfterCommits(0), AfterCommits(2)};
  const auto result = Register();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->registered, kImages);
  EXPECT_EQ(result->existing, 0);  // nothing acknowledged was sent again
  EXPECT_EQ(result->reconnects, 3);
  EXPECT_THAT(services_.images, SizeIs(kImages));
  EXPECT_THAT(services_.stream_images, ElementsAre(30, 0, 20, 45));
  EXPECT_EQ(services_.duplicates, 0);
  EXPECT_EQ(services_.parent, "pools/cats");
  EXPECT_TRUE(std::is_sorted(acknowledged_.begin(), acknowledged_.end()));
  EXPECT_EQ(acknowledged_.back(), kImages);
}

TEST_F(StreamTest, ALostAcknowledgmentCostsNeitherLossNorDuplicates) {
  services_.breaks = {AfterCommits(2, /*unacknowledged=*/true)};
  const auto result = Register();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(services_.images, SizeIs(kImages));
  EXPECT_EQ(result->existing, kChunk);
  EXPECT_EQ(result->registered, kImages - kChunk);
}

TEST_F(StreamTest, BreaksThatLookLikeAnythingButARefusalAreSurvived) {
  for (const grpc::StatusCode code :
       {grpc::UNAVAILABLE, grpc::CANCELLED, grpc::INTERNAL, grpc::ABORTED, grpc::OK}) {
    services_.images.clear();
    services_.breaks = {AfterCommits(1)};
    services_.breaks[0].status = code == grpc::OK ? grpc::Status::OK : grpc::Status(code, "cut");
    const auto result = Register();
    ASSERT_TRUE(result.ok()) << code << result.status();
    EXPECT_THAT(services_.images, SizeIs(kImages));
  }
}

TEST_F(StreamTest, ARefusalOfTheStreamIsFinal) {
  services_.breaks = {AfterCommits(1)};
  services_.breaks[0].status = Refusal(grpc::NOT_FOUND, "NOT_FOUND", "no such pool", "parent");
  const auto result = Register();
  EXPECT_TRUE(absl::IsNotFound(result.status()));
  EXPECT_EQ(Reason(result.status()), "NOT_FOUND");
  EXPECT_THAT(services_.stream_images, SizeIs(1));
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(StreamTest, AServerThatNeverTakesAnythingIsGivenUp) {
  services_.breaks.assign(50, AfterCommits(0));
  const auto result = Register();
  EXPECT_TRUE(absl::IsUnavailable(result.status()));
  EXPECT_THAT(services_.stream_images, SizeIs(client_->options().retry.max_attempts));
}

TEST_F(StreamTest, AServerThatWorkedIsWaitedForLonger) {
  services_.breaks = {AfterCommits(1)};
  for (int i = 0; i < 15; ++i) services_.breaks.push_back(AfterCommits(0));
  const auto result = Register();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reconnects, 16);
  services_.images.clear();
  services_.breaks = {AfterCommits(1)};
  for (int i = 0; i < 500; ++i) services_.breaks.push_back(AfterCommits(0));
  EXPECT_TRUE(absl::IsUnavailable(Register().status()));
}

TEST_F(StreamTest, RefusedImagesAreNumberedFromTheFirstOfAll) {
  std::vector<v1::NewImage> images = ManyImages();
  images[5] = Image(5, "refuse");
  images[77] = Image(77, "refuse");
  services_.breaks = {AfterCommits(3)};
  const auto result = Register(images);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->registered, kImages - 2);
  ASSERT_THAT(result->refused, SizeIs(2));
  EXPECT_EQ(result->refused[0].index(), 5);
  EXPECT_EQ(result->refused[1].index(), 77);
  EXPECT_EQ(result->refused[1].image_id(), "refuse77");
}

TEST_F(StreamTest, ChunksKeepToTheirBytes) {
  stream_.chunk_bytes = 4000;
  std::vector<v1::NewImage> images;
  for (int i = 0; i < 20; ++i) {
    images.push_back(Image(i));
    images.back().mutable_source()->set_data(std::string(i == 7 ? 9000 : 1500, 'x'));
  }
  const auto result = Register(images);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(services_.images, SizeIs(20));
  EXPECT_EQ(services_.largest_chunk, 2);
}

TEST_F(StreamTest, ASourceThatFailsKeepsWhatWasSent) {
  int next = 0;
  const Source<v1::NewImage> source = [&next]() -> absl::StatusOr<std::optional<v1::NewImage>> {
    if (next == 25) return absl::NotFoundError("25.jpg: there is no such file");
    return std::optional<v1::NewImage>(Image(next++));
  };
  const auto result = client_->RegisterImages("pools/cats", source, stream_);
  EXPECT_TRUE(absl::IsNotFound(result.status()));
  EXPECT_THAT(services_.images, SizeIs(25));
}

TEST_F(StreamTest, OnlyAWindowIsPulledFromTheSource) {
  services_.stall = true;
  ClientOptions options = client_->options();
  options.timeout = absl::Milliseconds(200);
  options.retry.max_attempts = 2;
  Client impatient(options);
  int pulled = 0;
  const Source<v1::NewImage> source = [&pulled]() -> absl::StatusOr<std::optional<v1::NewImage>> {
    return std::optional<v1::NewImage>(Image(pulled++));
  };
  const auto result = impatient.RegisterImages("pools/cats", source, stream_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_LE(pulled, (stream_.max_chunks_in_flight + 1) * kChunk);
}

TEST_F(StreamTest, LabelsAreSentTheSameWay) {
  std::vector<v1::NewLabels> labels;
  for (int i = 0; i < kImages; ++i) {
    labels.emplace_back();
    labels.back().set_image_id(absl::StrCat(i == 50 ? "refuse" : "image", i));
  }
  services_.breaks = {AfterCommits(2), AfterCommits(1)};
  const auto result = client_->IngestLabels("pools/cats", FromVector(labels), stream_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->ingested, kImages - 1);
  ASSERT_THAT(result->refused, SizeIs(1));
  EXPECT_EQ(result->refused[0].index(), 50);
  EXPECT_EQ(result->reconnects, 2);
  const std::set<std::string> distinct(services_.labeled.begin(), services_.labeled.end());
  EXPECT_THAT(distinct, SizeIs(kImages - 1));
  EXPECT_EQ(services_.labeled.size(), distinct.size());
  EXPECT_EQ(services_.parent, "pools/cats");
}

}  // namespace
}  // namespace mgral::client
