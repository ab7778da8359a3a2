// Predictions of external detectors: one set per pool, never of two models.
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::ImageSignals;
using domain::ImageUse;
using domain::PredictionSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PredictionStoreTest : public StoresTest {
 protected:
  domain::PredictionStore& predictions() { return stores_->predictions(); }

  static ImageSignals Of(int64_t key, int boxes = 1, int dim = 2) {
    ImageSignals image;
    image.image_key = key;
    image.embedding.assign(dim, 0.6f);
    image.expected_objects = {0.5f, 0, 1e-7f};
    image.uncertainty = {0.25f, 0, 3};
    for (int i = 0; i < boxes; ++i) image.predictions.push_back({0.1, 2, 3, 4, 1, false, 0.75});
    return image;
  }
  absl::StatusOr<PredictionSet> Put(const std::vector<ImageSignals>& signals,
                                    const std::string& model = "yolo@1", bool may_replace = true,
                                    int64_t max_boxes = 100) {
    const int dim = signals.empty() ? 2 : static_cast<int>(signals[0].embedding.size());
    return predictions().Put(pool_.key, {model, dim, may_replace, signals}, max_boxes);
  }
  std::vector<int64_t> StoredKeys(ImageUse use = ImageUse::kTraining) {
    std::vector<int64_t> keys;
    const auto set = Value(predictions().FindSet(pool_.key));
    if (!set) return keys;
    for (const auto& image : Value(predictions().Predictions(set->key, use, 0, 100))) {
      keys.push_back(image.image_key);
    }
    return keys;
  }
};

TEST_F(PredictionStoreTest, GivesBackWhatWasPut) {
  Register(3);
  const auto keys = Keys({"img-0", "img-1", "img-2"});
  EXPECT_FALSE(Value(predictions().FindSet(pool_.key)).has_value());
  ImageSignals image = Of(keys[1], 2);
  image.disagreement = 0.125f;
  const PredictionSet set = Value(Put({Of(keys[2], 0), image}));
  EXPECT_EQ(set.model, "yolo@1");
  EXPECT_EQ(set.embedding_size, 2);
  EXPECT_EQ(set.images, 2);
  EXPECT_EQ(set.boxes, 2);
  const auto found = Value(predictions().FindSet(pool_.key));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->key, set.key);
  EXPECT_EQ(found->boxes, 2);
  const auto stored = Value(predictions().Predictions(set.key, ImageUse::kTraining, 0, 10));
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0].image_key, keys[1]);
  EXPECT_EQ(stored[0].embedding, image.embedding);
  EXPECT_EQ(stored[0].expected_objects, image.expected_objects);
  EXPECT_EQ(stored[0].uncertainty, image.uncertainty);
  EXPECT_EQ(stored[0].disagreement, 0.125f);
  ASSERT_EQ(stored[0].predictions.size(), 2u);
  EXPECT_EQ(stored[0].predictions[1].score, 0.75);
  EXPECT_THAT(stored[1].predictions, IsEmpty());
}

TEST_F(PredictionStoreTest, PagesByUseAndLeavesRejectedImagesOut) {
  Register(4);
  Register(1, 4, ImageUse::kValidation);
  const auto keys = Keys({"img-0", "img-1", "img-2", "img-3", "img-4"});
  const PredictionSet set =
      Value(Put({Of(keys[0]), Of(keys[1]), Of(keys[2]), Of(keys[3]), Of(keys[4])}));
  ASSERT_OK(pools().RejectImage(keys[1], 0, "truncated"));
  EXPECT_THAT(StoredKeys(), ElementsAre(keys[0], keys[2], keys[3]));
  EXPECT_THAT(StoredKeys(ImageUse::kValidation), ElementsAre(keys[4]));
  const auto page = Value(predictions().Predictions(set.key, ImageUse::kTraining, keys[0], 1));
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].image_key, keys[2]);
}

TEST_F(PredictionStoreTest, TheSameModelIsAddedToAndReplacedImageByImage) {
  Register(3);
  const auto keys = Keys({"img-0", "img-1", "img-2"});
  const PredictionSet set = Value(Put({Of(keys[0], 3), Of(keys[1], 1)}));
  const PredictionSet more = Value(Put({Of(keys[1], 5), Of(keys[2], 1)}, "yolo@1", false));
  EXPECT_EQ(more.key, set.key);
  EXPECT_EQ(more.images, 3);
  EXPECT_EQ(more.boxes, 9);
}

TEST_F(PredictionStoreTest, AnotherModelBeginsANewSetIfItMay) {
  Register(2);
  const auto keys = Keys({"img-0", "img-1"});
  const PredictionSet first = Value(Put({Of(keys[0])}));
  EXPECT_EQ(base::Reason(Put({Of(keys[1])}, "yolo@2", false).status()), "PREDICTIONS_REPLACED");
  EXPECT_EQ(base::Reason(Put({Of(keys[1], 1, 3)}).status()), "PREDICTIONS_REPLACED");
  EXPECT_THAT(StoredKeys(), ElementsAre(keys[0]));
  const PredictionSet second = Value(Put({Of(keys[1], 1, 3)}, "yolo@2"));
  EXPECT_NE(second.key, first.key);
  EXPECT_EQ(second.images, 1);
  EXPECT_THAT(StoredKeys(), ElementsAre(keys[1]));
  EXPECT_THAT(Value(predictions().Predictions(first.key, ImageUse::kTraining, 0, 10)), IsEmpty());
}

TEST_F(PredictionStoreTest, TooManyBoxesStoreNothing) {
  Register(2);
  const auto keys = Keys({"img-0", "img-1"});
  ASSERT_OK(Put({Of(keys[0], 60)}));
  const absl::Status refused = Put({Of(keys[1], 41)}).status();
  EXPECT_EQ(base::Reason(refused), "TOO_MANY_BOXES");
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("101"));
  EXPECT_THAT(StoredKeys(), ElementsAre(keys[0]));
  EXPECT_OK(Put({Of(keys[0], 100)}));  // instead of the 60
  // Not even the earlier model is gone.
  EXPECT_FALSE(Put({Of(keys[1], 101)}, "yolo@2").ok());
  EXPECT_EQ(Value(predictions().FindSet(pool_.key))->model, "yolo@1");
}

TEST_F(PredictionStoreTest, ADeletedPoolTakesItsPredictionsAlong) {
  Register(1);
  const auto keys = Keys({"img-0"});
  const PredictionSet set = Value(Put({Of(keys[0])}));
  ASSERT_OK(pools().DeletePool("cats", false));
  EXPECT_TRUE(absl::IsNotFound(Put({Of(keys[0])}).status()));
  EXPECT_FALSE(Value(predictions().FindSet(pool_.key)).has_value());
  EXPECT_THAT(Value(predictions().Predictions(set.key, ImageUse::kTraining, 0, 10)), IsEmpty());
}

TEST_F(PredictionStoreTest, StreamsAtOnceAddUp) {
  constexpr int kStreams = 4, kImages = 40;
  Register(kStreams * kImages);
  std::vector<std::thread> streams;
  for (int s = 0; s < kStreams; ++s) {
    streams.emplace_back([&, s] {
      for (int i = 0; i < kImages; ++i) {
        const auto keys = Keys({absl::StrCat("img-", s * kImages + i)});
        EXPECT_OK(Put({Of(keys[0])}, "yolo@1", i == 0, 1000));
      }
    });
  }
  for (std::thread& stream : streams) stream.join();
  const auto set = Value(predictions().FindSet(pool_.key));
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(set->images, kStreams * kImages);
  EXPECT_EQ(set->boxes, kStreams * kImages);
}

TEST_F(PredictionStoreTest, AModelSaysWhichPredictionsItStandsFor) {
  Register(1);
  Value(cycles().StartCycle(pool_.key, false, {}));
  const domain::JobLease train = Claim(domain::JobKind::kTrain);
  domain::CycleStore::TrainedModel model;
  model.profile = domain::kExternalProfile;
  model.external_model = "yolo@1";
  model.validation.classes.resize(3);
  EXPECT_EQ(Value(cycles().RecordModel(train, model)).external_model, "yolo@1");
  model.external_model = "yolo@2";  // another attempt
  ASSERT_OK(cycles().RecordModel(train, model));
  EXPECT_EQ(Value(cycles().GetModel(pool_.key, 1)).external_model, "yolo@2");
}

}  // namespace
}  // namespace mgral::test
