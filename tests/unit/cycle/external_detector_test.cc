// A cycle on the predictions of an external detector: nothing is trained or embedded.
#include "server/cycle/external_detector.h"

#include "server/base/errors.h"
#include "tests/support/fake_prediction_store.h"
#include "tests/unit/cycle/stage_fixture.h"

namespace mgral::cycle {
namespace {

using domain::ImageUse;
using domain::JobKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ExternalCycleTest : public StageTest {
 protected:
  ExternalCycleTest() {
    cycle_.pool.detector.profile = domain::kExternalProfile;
    cycle_.pool.selection.strategy = "entropy";
    ports_.predictions = &predictions_;
  }
  // One box of that score; an embedding of `size` numbers.
  void Put(const std::vector<std::string>& ids, double score = 0.5, int size = 2,
           const std::string& model = "yolo@1") {
    std::vector<domain::ImageSignals> signals;
    for (const std::string& id : ids) {
      domain::ImageSignals& image = signals.emplace_back();
      image.image_key = KeyOf(id);
      image.embedding.assign(size, 1.0f);
      image.expected_objects = image.uncertainty = {0.5f, 0};
      image.predictions = {{0, 0, 10, 10, 0, false, score}};
      const bool validation = images_.at(id).use == ImageUse::kValidation;
      if (validation) predictions_.validation[image.image_key] = true;
    }
    ASSERT_TRUE(predictions_.Put(0, {model, size, true, signals}, 1000).ok());
  }
  domain::CycleStore::Snapshot Publish() {
    RunBefore(JobKind::kPublish);
    const StageResult outcome = Run(JobKind::kPublish);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome->snapshot : domain::CycleStore::Snapshot();
  }
  static std::vector<std::string> Strategies(const domain::CycleStore::Snapshot& snapshot) {
    std::vector<std::string> names;
    for (const auto& queue : snapshot.queues) names.push_back(queue.strategy);
    return names;
  }

  test::FakePredictionStore predictions_;
};

TEST_F(ExternalCycleTest, PublishesQueuesOfWhatWasPut) {
  AddSmallPool();
  Put({"u1", "u3", "t1", "v1"});
  loader_.sizes.clear();  // no image is read
  const domain::CycleStore::Snapshot snapshot = Publish();
  EXPECT_THAT(Strategies(snapshot),
              ElementsAre("entropy", "random", "margin", "core_set", "class_balanced"));
  for (const auto& queue : snapshot.queues) {
    EXPECT_THAT(queue.image_keys, UnorderedElementsAre(KeyOf("u1"), KeyOf("u3")));
  }
  EXPECT_EQ(snapshot.table, "");
  ASSERT_THAT(snapshot.images, SizeIs(2));
  EXPECT_THAT(snapshot.images[0].predictions, SizeIs(1));
  EXPECT_EQ(snapshot.note, "");
  EXPECT_THAT(selection_.ranked.back().labeled, SizeIs(1));  // t1
  EXPECT_THAT(selection_.ranked.back().labeled_class_counts, ElementsAre(1, 0));
  EXPECT_THAT(left_out_, IsEmpty());
  EXPECT_FALSE(Rejected("u1"));
}

TEST_F(ExternalCycleTest, TheModelIsMeasuredWhereThereAreLabelsAndPredictions) {
  AddSmallPool();
  AddLabeled("v2", ImageUse::kValidation);
  Put({"u1", "v1"});
  ASSERT_TRUE(Run(JobKind::kTrain).ok());
  const domain::CycleStore::TrainedModel& model = models_.at(0);
  EXPECT_EQ(model.validation.images, 1);
  EXPECT_EQ(model.validation.map50, 1);
  EXPECT_EQ(model.external_model, "yolo@1");
  EXPECT_EQ(model.profile, "external");
  EXPECT_EQ(model.weights_sha256, "");
  EXPECT_FALSE(model.cold_start);
}

TEST_F(ExternalCycleTest, WithoutEmbeddingsThereIsNoCoreSet) {
  AddSmallPool();
  Put({"u1", "u2"}, 0.5, 0);
  EXPECT_THAT(Strategies(Publish()), ElementsAre("entropy", "random", "margin", "class_balanced"));
}

TEST_F(ExternalCycleTest, ManyPredictionsAreSeveralShards) {
  std::vector<std::string> ids;
  for (int i = 0; i < 501; ++i) {
    ids.push_back("u" + std::to_string(i));
    AddUnlabeled(ids.back());
  }
  predictions_.set.reset();
  Put(ids);
  EXPECT_THAT(RunBefore(JobKind::kEmbed), SizeIs(2));
}

TEST_F(ExternalCycleTest, NoGainIsClaimedForTheLabelsOfABatch) {
  AddSmallPool();
  Put({"u1", "u2", "u3", "t1", "v1"});
  RunCycleToEnd();
  Label("u1");
  const domain::CycleStore::Snapshot snapshot = Publish();
  EXPECT_FALSE(snapshot.realized_gain.has_value());
  EXPECT_THAT(snapshot.realized, IsEmpty());
}

TEST_F(ExternalCycleTest, ARepeatedAttemptRanksTheSamePredictions) {
  AddSmallPool();
  Put({"u1"});
  const auto first = RunBefore(JobKind::kEmbed);
  Put({"u2"});
  results_.clear();
  const auto again = RunBefore(JobKind::kEmbed);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].payload, first.at(0).payload);
}

TEST_F(ExternalCycleTest, WithoutPredictionsItFails) {
  AddSmallPool();
  EXPECT_EQ(base::Reason(Run(JobKind::kTrain).status()), "NO_PREDICTIONS");
  EXPECT_THAT(models_, IsEmpty());
}

// Replaces the predictions when they are read.
class ReplacedStore : public test::FakePredictionStore {
 public:
  absl::StatusOr<std::vector<domain::ImageSignals>> Predictions(int64_t set_key,
                                                                domain::ImageUse use,
                                                                int64_t after_key,
                                                                int limit) override {
    set = domain::PredictionSet{set_key + 1, "yolo@2", 2, 0, 0};
    return FakePredictionStore::Predictions(set_key, use, after_key, limit);
  }
};

TEST_F(ExternalCycleTest, TwoVersionsAreNeverMixed) {
  AddSmallPool();
  Put({"u1"});
  ReplacedStore replaced;
  replaced.set = predictions_.set;
  ports_.predictions = &replaced;
  const absl::Status failed = Run(JobKind::kTrain).status();
  EXPECT_EQ(base::Reason(failed), "PREDICTIONS_REPLACED");
  EXPECT_THAT(std::string(failed.message()), testing::HasSubstr("yolo@1"));
  EXPECT_THAT(models_, IsEmpty());
}

TEST_F(ExternalCycleTest, StopsWhenAskedTo) {
  AddSmallPool();
  Put({"u1"});
  progress_ = Stop;
  EXPECT_TRUE(absl::IsCancelled(Run(JobKind::kTrain).status()));
}

}  // namespace
}  // namespace mgral::cycle
