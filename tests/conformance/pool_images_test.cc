#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::ImageState;
using domain::ImageUse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using PoolImagesTest = StoresTest;

std::string IdWithNul() { return std::string("a\0b", 3); }

TEST_F(PoolImagesTest, ListsImagesByStateAndUse) {
  Register(4);
  Register(2, 4, ImageUse::kValidation);
  ASSERT_OK(Label({"img-0", "img-5"}));
  const auto ids = [&](std::optional<ImageState> state, std::optional<ImageUse> use) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const auto page = Value(pools().ListImages(pool_.key, {2, token}, state, use));
      for (const auto& image : page.items) ids.push_back(image.image_id);
      token = page.next_page_token;
    } while (!token.empty());
    return ids;
  };
  EXPECT_EQ(ids({}, {}).size(), 6u);
  EXPECT_THAT(ids(ImageState::kLabeled, {}), ElementsAre("img-0", "img-5"));
  EXPECT_THAT(ids(ImageState::kUnlabeled, ImageUse::kValidation), ElementsAre("img-4"));
  EXPECT_THAT(ids(ImageState::kRejected, {}), IsEmpty());
  const domain::Batch batch = Lease(1);
  EXPECT_EQ(ids(ImageState::kLeased, {}), Ids(batch));
  stores_->EndBatchLease(batch.batch_id);
  EXPECT_THAT(ids(ImageState::kLeased, {}), IsEmpty());
  EXPECT_THAT(ids(ImageState::kUnlabeled, ImageUse::kTraining),
              ElementsAre("img-1", "img-2", "img-3"));
}

TEST_F(PoolImagesTest, GetsImagesInTheOrderAsked) {
  Register(3);
  const auto images =
      Value(pools().GetImages(pool_.key, {"img-2", "missing", IdWithNul(), "img-0"}));
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].image_id, "img-2");
  EXPECT_EQ(images[1].image_id, "img-0");
}

TEST_F(PoolImagesTest, ImagesAreOrientedAsTheirPoolIsAndKeepTheirNotes) {
  domain::Pool stored;
  stored.pool_id = "stored";
  stored.classes = {"cat"};
  stored.applies_exif_orientation = false;
  stored = Value(pools().CreatePool(stored, {}));
  for (const domain::Pool& pool : {pool_, stored}) {
    const bool oriented = pool.applies_exif_orientation;
    domain::NewImage noted = ImageAt("a", "a.jpg");
    noted.note = "the decoder warned";
    ASSERT_OK(pools().RegisterImages(pool.key, {noted, ImageAt("b", "b.jpg")}, {}));
    const auto images = Value(pools().GetImages(pool.key, {"a", "b"}));
    EXPECT_EQ(images[0].note, "the decoder warned");
    EXPECT_EQ(images[1].note, "");
    EXPECT_EQ(images[0].source.oriented, oriented);
    const auto page = Value(pools().ListImages(pool.key, {10, ""}, {}, {}));
    EXPECT_EQ(page.items.at(1).source.oriented, oriented);
    EXPECT_EQ(Value(pools().UnlabeledImages(pool.key, 0, 1)).at(0).source.oriented, oriented);
    EXPECT_EQ(Value(pools().GetImage(pool.key, "b")).source.oriented, oriented);
  }
}

TEST_F(PoolImagesTest, GivesCyclesTheirImagesInPieces) {
  Register(5);
  Register(1, 5, ImageUse::kValidation);
  ASSERT_OK(Label({"img-1", "img-3", "img-5"}));
  Lease(1);
  auto labeled = Value(pools().LabeledImages(pool_.key, ImageUse::kTraining, 0, 1));
  ASSERT_EQ(labeled.size(), 1u);
  EXPECT_EQ(labeled[0].image.image_id, "img-1");
  EXPECT_TRUE(labeled[0].image.source.oriented);
  ASSERT_EQ(labeled[0].boxes.size(), 1u);
  EXPECT_EQ(labeled[0].boxes[0].y_min, 2.25);
  labeled = Value(pools().LabeledImages(pool_.key, ImageUse::kTraining, labeled[0].image.key, 10));
  ASSERT_EQ(labeled.size(), 1u);
  EXPECT_EQ(labeled[0].image.image_id, "img-3");
  EXPECT_EQ(Value(pools().LabeledImages(pool_.key, ImageUse::kValidation, 0, 10)).size(), 1u);
  EXPECT_EQ(Value(pools().UnlabeledImages(pool_.key, 0, 10)).size(), 3u);
  EXPECT_EQ(Value(pools().UnlabeledImages(pool_.key, 0, 2)).size(), 2u);
}

TEST_F(PoolImagesTest, RejectsWhatCannotBeUsedUntilNewLabelsBringItBack) {
  Register(3);
  ASSERT_OK(Label({"img-0"}));
  const auto keys = Keys({"img-0", "img-1"});
  // Found by a worker that has not seen the labels.
  ASSERT_OK(pools().RejectImage(keys[0], 0, "truncated"));
  EXPECT_EQ(StateOf("img-0"), ImageState::kLabeled);
  ASSERT_OK(pools().RejectImage(keys[0], 1, "truncated"));
  ASSERT_OK(pools().RejectImage(keys[1], 0, "truncated"));
  ASSERT_OK(pools().RejectImage(keys[1], 0, "again"));
  EXPECT_EQ(StateOf("img-0"), ImageState::kRejected);
  EXPECT_EQ(StateOf("img-1"), ImageState::kRejected);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-1")).reject_reason, "truncated");
  EXPECT_EQ(Counts().rejected, 2);
  EXPECT_EQ(Counts().labeled, 0);
  EXPECT_TRUE(Value(pools().LabeledImages(pool_.key, ImageUse::kTraining, 0, 10)).empty());
  EXPECT_THAT(Ids(Lease(1)), ElementsAre("img-2"));
  ASSERT_OK(Label({"img-0"}));
  EXPECT_EQ(StateOf("img-0"), ImageState::kLabeled);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).reject_reason, "");
  EXPECT_EQ(Value(pools().LabeledImages(pool_.key, ImageUse::kTraining, 0, 10)).size(), 1u);
}

TEST_F(PoolImagesTest, RejectingTheLastImageCompletesItsBatch) {
  Register(1);
  const domain::Batch batch = Lease(1);
  ASSERT_OK(pools().RejectImage(batch.images[0].image_key, 0, "truncated"));
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, batch.batch_id)).state,
            domain::BatchState::kCompleted);
}

TEST_F(PoolImagesTest, CountsByStateAndUse) {
  Register(6);
  Register(2, 6, ImageUse::kValidation);
  ASSERT_OK(Label({"img-0"}));
  ASSERT_OK(pools().RejectImage(Keys({"img-1"})[0], 0, "bad"));
  const domain::Batch batch = Lease(2);
  auto counts = Counts();
  EXPECT_EQ(counts.training, 6);
  EXPECT_EQ(counts.validation, 2);
  EXPECT_EQ(counts.labeled, 1);
  EXPECT_EQ(counts.rejected, 1);
  EXPECT_EQ(counts.leased, 2);
  EXPECT_EQ(counts.unlabeled, 4);
  stores_->EndBatchLease(batch.batch_id);
  EXPECT_EQ(Counts().leased, 0);
  EXPECT_EQ(Counts().unlabeled, 6);
  ASSERT_OK(batches().RunMaintenance());
  EXPECT_EQ(Counts().leased, 0);
  EXPECT_EQ(Counts().unlabeled, 6);
}

}  // namespace
}  // namespace mgral::test
