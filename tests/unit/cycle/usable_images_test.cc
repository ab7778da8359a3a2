#include "server/cycle/usable_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "server/base/errors.h"
#include "server/domain/image_fault.h"
#include "tests/support/fake_detector_runtime.h"
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
    ports_.detector = &detector_;
    cycle_.pool.detector.profile = "micro";
    for (int i = 0; i < 20; ++i) Add(i);
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

  void Add(int i) {
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
  // All of them are asked for; the ids of those that can be used, or the error.
  absl::StatusOr<std::vector<std::string>> Find() {
    std::vector<const domain::Image*> all;
    for (const auto& [id, image] : images_) all.push_back(&image);
    const StageContext stage{ports_, job_, cycle_, progress_};
    MGRAL_ASSIGN_OR_RETURN(const std::vector<Usability> usable, FindUsable(stage, all, whole_));
    std::vector<std::string> ids;
    for (size_t i = 0; i < all.size(); ++i) {
      if (usable[i] == Usability::kUsable) ids.push_back(all[i]->image_id);
    }
    return ids;
  }
  void NoAnswer(const std::string& id) {
    loader_.errors[id] = base::Unavailable("answered 503", absl::Seconds(1));
  }
  void Missing(const std::string& id) {
    loader_.errors[id] =
        WithFault(base::InvalidField("source.path", "no such file"), domain::ImageFault::kMissing);
  }
  absl::Status Keep(const std::vector<std::vector<domain::Example>*>& lists) {
    return KeepUsable({ports_, job_, cycle_, progress_}, lists);
  }
  bool Rejected(const std::string& id) { return rejected_.count(id) > 0; }

  testing::NiceMock<test::MockPoolStore> pools_;
  std::map<std::string, domain::Image> images_;  // by image_id
  std::map<std::string, std::string> rejected_;  // reasons by image_id
  test::FakeImageLoader loader_;
  test::FakeDetectorRuntime detector_{&loader_};
  domain::CycleStore::CycleContext cycle_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  CyclePorts ports_;
  domain::JobLease job_;
  domain::Progress progress_;
  std::vector<domain::LeftOutImage> left_out_;
  size_t whole_ = 0;
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
  job_.retries.errors = 100;  // are no tries of images
  loader_.sizes.erase("i4");
  for (int& tries = job_.retries.images; tries + 1 < kImageTries; ++tries) {
    const absl::Status status = Find().status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(HasFault(status, domain::ImageFault::kUnreachable));
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
  job_.retries.images = 100;
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

TEST_F(UsableImagesTest, WhatIsMissingIsLeftOutAtOnceAndNotRejected) {
  for (const char* id : {"i3", "i4", "i5"}) Missing(id);
  EXPECT_EQ(Find()->size(), 17u);
  for (const char* id : {"i3", "i4", "i5"}) EXPECT_FALSE(Rejected(id));
  ASSERT_EQ(left_out_.size(), 3u);
  EXPECT_THAT(left_out_[0].reason, HasSubstr("no such file"));
}

TEST_F(UsableImagesTest, AVolumeThatIsNotThereFailsTheCycle) {
  for (const auto& [id, image] : images_) Missing(id);
  const absl::Status status = Find().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("(and 3 more): source.path: no such file"));
  EXPECT_TRUE(left_out_.empty());
  EXPECT_FALSE(Rejected("i3"));
}

TEST_F(UsableImagesTest, MissingAndUnreachableImagesCountTogether) {
  Missing("i3");
  Missing("i4");
  NoAnswer("i5");
  NoAnswer("i6");
  job_.retries.images = kImageTries;
  EXPECT_TRUE(absl::IsUnavailable(Find().status()));
  loader_.errors.erase("i4");
  EXPECT_EQ(Find()->size(), 17u);
}

TEST_F(UsableImagesTest, TwoInAHundredOfTheWholeMayBeMissing) {
  for (const char* id : {"i3", "i4", "i5", "i6"}) Missing(id);
  whole_ = 199;
  EXPECT_FALSE(Find().ok());
  whole_ = 200;
  EXPECT_EQ(Find()->size(), 16u);
}

TEST_F(UsableImagesTest, AShardOfOneMissingImageIsNoReasonToFail) {
  const domain::Image only = images_["i3"];
  images_ = {{"i3", only}};
  Missing("i3");
  EXPECT_EQ(Find()->size(), 0u);
  EXPECT_EQ(left_out_.size(), 1u);
}

TEST_F(UsableImagesTest, AServerThatReadsNoSuchPlaceFailsTheCycle) {
  loader_.errors["i3"] = WithFault(base::InvalidField("source.path", "no image_root"),
                                   domain::ImageFault::kConfiguration);
  const absl::Status status = Find().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("image i3: source.path: no image_root"));
  EXPECT_FALSE(Rejected("i3"));
}

TEST_F(UsableImagesTest, WithoutItsLabeledImagesACycleDoesNotGoOn) {
  std::vector<domain::Example> training = {{images_["i3"], {}}, {images_["i4"], {}}};
  std::vector<domain::Example> validation = {{images_["i5"], {}}};
  Missing("i3");
  Missing("i5");
  EXPECT_TRUE(Keep({&training, &validation}).ok());
  EXPECT_EQ(training.size(), 1u);
  EXPECT_TRUE(validation.empty());
  Missing("i4");
  const absl::Status status = Keep({&training, &validation});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("image i4"));
}

TEST_F(UsableImagesTest, WhatTheWorkMeetsRightAfterTheCheckIsTheImages) {
  for (const absl::Status& error : {base::Unavailable("no answer", absl::Seconds(1)),
                                    WithFault(base::InvalidField("source.path", "no such file"),
                                              domain::ImageFault::kMissing)}) {
    const absl::Status again = ToBeTriedAgain(error);
    EXPECT_TRUE(absl::IsUnavailable(again)) << again;
    EXPECT_TRUE(HasFault(again, domain::ImageFault::kUnreachable));
  }
  EXPECT_TRUE(absl::IsDataLoss(ToBeTriedAgain(absl::DataLossError("the weights"))));
  EXPECT_FALSE(HasFault(base::Unavailable("no database", absl::Seconds(1)),
                        domain::ImageFault::kUnreachable));
}

TEST_F(UsableImagesTest, AHostThatIsAwayIsAskedForAFewImagesOnly) {
  for (int i = 20; i < 500; ++i) Add(i);
  for (const auto& [id, image] : images_) NoAnswer(id);
  EXPECT_TRUE(absl::IsUnavailable(Find().status()));
  EXPECT_LE(loader_.decoded, 3 + 8);  // those that were being checked end too
  loader_.decoded = 0;
  job_.retries.images = kImageTries;
  EXPECT_TRUE(absl::IsUnavailable(Find().status()));
  EXPECT_LE(loader_.decoded, 11 + 8);
}

TEST_F(UsableImagesTest, ChecksSayHowFarTheyAre) {
  std::vector<double> fractions;
  progress_ = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  EXPECT_TRUE(Find().ok());
  ASSERT_EQ(fractions.size(), 20u);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_GT(fractions.back(), fractions.front());
}

TEST_F(UsableImagesTest, OtherErrorsAreReturned) {
  loader_.errors["i3"] = absl::ResourceExhaustedError("no memory");
  EXPECT_TRUE(absl::IsResourceExhausted(Find().status()));
  progress_ = [](double) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Find().status()));
}

}  // namespace
}  // namespace mgral::cycle
