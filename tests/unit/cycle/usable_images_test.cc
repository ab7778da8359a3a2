#include "server/cycle/usable_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/base/errors.h"
#include "tests/support/fake_image_loader.h"
#include "tests/support/mock_pool_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::cycle {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::Return;

class UsableImagesTest : public testing::Test {
 protected:
  UsableImagesTest() {
    ports_.pools = &pools_;
    ports_.cycles = &cycles_;
    ports_.images = &loader_;
    for (int i = 0; i < 20; ++i) {
      const std::string id = "i" + std::to_string(i);
      domain::Image& image = images_[id];
      image.key = i;
      image.image_id = id;
      image.source = {domain::ImageSource::Kind::kUri, id};
      image.width = 100;
      image.height = 50;
      image.label_revision = 3;
      loader_.sizes[id] = {100, 50};
    }
    ON_CALL(pools_, RejectImage(_, _, _))
        .WillByDefault([&](int64_t key, int64_t revision, const std::string& reason) {
          const std::string id = "i" + std::to_string(key);
          EXPECT_EQ(revision, images_.at(id).label_revision);
          rejected_[id] = reason;
          return absl::OkStatus();
        });
    ON_CALL(cycles_, LeaveOut(_, _))
        .WillByDefault(
            [&](const domain::JobLease&, const std::vector<domain::LeftOutImage>& images) {
              left_out_.insert(left_out_.end(), images.begin(), images.end());
              return absl::OkStatus();
            });
  }

  // All of them are asked for; the ids of those that can be used, or the error.
  absl::StatusOr<std::vector<std::string>> Find() {
    std::vector<const domain::Image*> all;
    for (const auto& [id, image] : images_) all.push_back(&image);
    const domain::CycleStore::CycleContext cycle;
    const StageContext stage{ports_, job_, cycle, progress_};
    MGRAL_ASSIGN_OR_RETURN(const std::vector<bool> usable, FindUsable(stage, all));
    std::vector<std::string> ids;
    for (size_t i = 0; i < all.size(); ++i) {
      if (usable[i]) ids.push_back(all[i]->image_id);
    }
    return ids;
  }
  void NoAnswer(const std::string& id) {
    loader_.errors[id] = base::Unavailable("answered 503", absl::Seconds(1));
  }
  bool Rejected(const std::string& id) { return rejected_.count(id) > 0; }

  testing::NiceMock<test::MockPoolStore> pools_;
  std::map<std::string, domain::Image> images_;  // by image_id
  std::map<std::string, std::string> rejected_;  // reasons by image_id
  test::FakeImageLoader loader_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  CyclePorts ports_;
  domain::JobLease job_;
  domain::Progress progress_;
  std::vector<domain::LeftOutImage> left_out_;
};

TEST_F(UsableImagesTest, WithNothingWrongAllAreUsable) {
  EXPECT_CALL(cycles_, LeaveOut(_, _)).Times(0);
  EXPECT_EQ(Find()->size(), 20u);
}

TEST_F(UsableImagesTest, WhatCannotBeDecodedIsRejectedWithTheReason) {
  loader_.sizes.erase("i3");
  EXPECT_EQ(Find()->size(), 19u);
  EXPECT_THAT(rejected_["i3"], HasSubstr("truncated"));
  ASSERT_EQ(left_out_.size(), 1u);
  EXPECT_EQ(left_out_[0].image_id, "i3");
}

TEST_F(UsableImagesTest, WhatHasAnotherSizeThanItsLabelsIsRejected) {
  loader_.sizes["i3"] = {100, 51};
  loader_.sizes["i4"] = {100, 51};
  loader_.sizes["i5"] = {100, 51};
  images_["i4"].label_revision = 0;  // no labels to be wrong
  images_["i5"].width = 0;           // nobody has looked
  EXPECT_EQ(Find()->size(), 19u);
  EXPECT_THAT(rejected_["i3"], HasSubstr("100 x 51"));
  EXPECT_THAT(rejected_["i3"], HasSubstr("100 x 50"));
}

TEST_F(UsableImagesTest, AnAddressThatDoesNotAnswerIsTriedAgainThenLeftOut) {
  NoAnswer("i3");
  loader_.sizes.erase("i4");
  for (job_.retries = 0; job_.retries + 1 < kImageTries; ++job_.retries) {
    const absl::Status status = Find().status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("image i3: answered 503"));
    EXPECT_TRUE(left_out_.empty());
  }
  EXPECT_EQ(Find()->size(), 18u);
  EXPECT_FALSE(Rejected("i3"));
  EXPECT_TRUE(Rejected("i4"));
  EXPECT_EQ(left_out_.size(), 2u);
}

TEST_F(UsableImagesTest, ManyAddressesThatDoNotAnswerAreNoFaultOfTheImages) {
  for (const char* id : {"i3", "i4", "i5", "i6"}) NoAnswer(id);
  job_.retries = 100;
  const absl::Status status = Find().status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("image i3 (and 3 more)"));
  EXPECT_TRUE(left_out_.empty());
}

TEST_F(UsableImagesTest, StoredBytesThatAreLostAreLeftOutAtOnce) {
  loader_.errors["i3"] = absl::DataLossError("artifact 3 is missing");
  EXPECT_EQ(Find()->size(), 19u);
  EXPECT_FALSE(Rejected("i3"));
  EXPECT_EQ(left_out_.size(), 1u);
}

TEST_F(UsableImagesTest, OtherErrorsAreReturned) {
  loader_.errors["i3"] = absl::ResourceExhaustedError("no memory");
  EXPECT_TRUE(absl::IsResourceExhausted(Find().status()));
  progress_ = [](double) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Find().status()));
}

}  // namespace
}  // namespace mgral::cycle
