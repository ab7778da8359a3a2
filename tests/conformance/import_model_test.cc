// Models that no cycle trained.
#include <cmath>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::CycleStore;
using domain::JobLease;
using domain::Model;
using domain::Pool;
using ::testing::ElementsAre;

class ImportModelTest : public StoresTest {
 protected:
  absl::StatusOr<Model> Import(bool publish, const domain::RequestKey& request = {},
                               const std::string& file = "best.pth") {
    CycleStore::ImportedModel model;
    model.weights_sha256 = std::string(64, 'e');
    model.file_name = file;
    model.profile = "tiny";
    model.parameters = 12;
    model.num_classes = static_cast<int>(pool_.classes.size());
    model.publish = publish;
    return cycles().ImportModel(pool_.key, model, request);
  }
  Pool Now() { return Value(pools().GetPool("cats")); }
  int64_t Published() { return Now().published_model_version.value_or(0); }
  int64_t Start() { return Now().start_model_version.value_or(0); }
  static std::string Refusal(const absl::StatusOr<Model>& result) {
    return base::Reason(result.status());
  }
};

TEST_F(ImportModelTest, IsAModelThatTheNextTrainingsBeginWith) {
  const Model model = Value(Import(false));
  EXPECT_EQ(model.version, 1);
  EXPECT_EQ(model.imported_from, "best.pth");
  EXPECT_EQ(model.import_version, 1);
  EXPECT_EQ(model.cycle_id, "");
  EXPECT_FALSE(model.published);
  EXPECT_EQ(model.profile, "tiny");
  EXPECT_EQ(model.parameters, 12);
  EXPECT_EQ(model.training_images, 0);
  EXPECT_TRUE(std::isnan(model.validation.map50));
  ASSERT_EQ(model.validation.classes.size(), pool_.classes.size());
  EXPECT_TRUE(std::isnan(model.validation.classes[0].ap50));
  EXPECT_EQ(Start(), 1);
  EXPECT_EQ(Published(), 0);
  EXPECT_FALSE(Value(cycles().PublishedSnapshot(pool_.key)).has_value());
  EXPECT_EQ(Value(cycles().ListModels(pool_.key, {})).items.size(), 1u);
  EXPECT_EQ(Value(cycles().GetModel(pool_.key, 1)).imported_from, "best.pth");
  EXPECT_EQ(Refusal(cycles().Rollback(pool_.key, 1, {})), "NOT_PUBLISHED");

  const Model next = Value(Import(false, {}, "other.pth"));
  EXPECT_EQ(next.version, 2);
  EXPECT_EQ(Start(), 2);
  EXPECT_TRUE(absl::IsNotFound(cycles().ImportModel(999999, {}, {}).status()));
}

TEST_F(ImportModelTest, APublishedOneReplacesTheSnapshotAndDrawsAtRandom) {
  Register(6);
  PublishQueue("mgral", {"img-0", "img-1", "img-2"});
  const Model model = Value(Import(true));
  EXPECT_TRUE(model.published);
  EXPECT_EQ(Published(), 2);
  const auto snapshot = Value(cycles().PublishedSnapshot(pool_.key));
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->cycle_key, 0);
  EXPECT_EQ(snapshot->model.version, 2);
  EXPECT_EQ(snapshot->manifest_sha256, "");
  const domain::Batch batch = Lease(2, "mgral");
  EXPECT_EQ(batch.strategy, "random");
  EXPECT_EQ(batch.strategy_note,
            "the published snapshot has no queue of mgral (an imported model)");
  EXPECT_EQ(batch.model_version, 2);
  ASSERT_OK(batches().ReleaseBatch(pool_.key, batch.batch_id));
  EXPECT_OK(cycles().BatchesSincePublished(pool_.key));
  const auto statistics = Value(stores_->statistics().Read(10));
  ASSERT_EQ(statistics.pools.size(), 1u);
  EXPECT_FALSE(statistics.pools[0].published.has_value()) << "nothing was measured";

  // And is replaced by the next cycle's, or by the one before.
  ASSERT_OK(cycles().Rollback(pool_.key, 1, {}));
  EXPECT_EQ(Published(), 1);
  EXPECT_EQ(Start(), 0) << "as that model began";
  EXPECT_THAT(Ids(Lease(1, "mgral")), ElementsAre("img-0"));
  ASSERT_OK(cycles().Rollback(pool_.key, 2, {}));
  EXPECT_EQ(Start(), 2);
  PublishQueue("mgral", {"img-4"});
  EXPECT_EQ(Published(), 3);
  EXPECT_EQ(Start(), 2);
  ASSERT_OK(cycles().Rollback(pool_.key, 2, {}));
}

TEST_F(ImportModelTest, RollingBackToThePublishedModelUndoesTheStart) {
  Register(2);
  PublishQueue("mgral", {"img-0"});
  ASSERT_OK(Import(false));
  EXPECT_EQ(Start(), 2);
  ASSERT_OK(cycles().Rollback(pool_.key, 1, {}));
  EXPECT_EQ(Start(), 0);
  EXPECT_EQ(Published(), 1);
}

TEST_F(ImportModelTest, ARunningCycleGoesOnAndPublishesItsOwn) {
  Register(4);
  const JobLease job = RunToPublish();  // it has recorded model 1
  EXPECT_EQ(Value(Import(true)).version, 2);
  EXPECT_EQ(Published(), 2);
  ASSERT_OK(cycles().Publish(job, SnapshotOf("mgral", {"img-2"}), 1));
  EXPECT_EQ(Published(), 1);
  EXPECT_EQ(Start(), 2) << "for the next cycle";
  EXPECT_EQ(Value(cycles().GetModel(pool_.key, 1)).import_version, std::nullopt);
}

TEST_F(ImportModelTest, ATrainedModelKeepsWhatItDescendsFrom) {
  Register(2);
  ASSERT_OK(Import(false));
  ASSERT_OK(cycles().StartCycle(pool_.key, true, {}));
  const JobLease job = Claim(domain::JobKind::kTrain);
  CycleStore::TrainedModel trained;
  trained.weights_sha256 = std::string(64, 'a');
  trained.import_version = 1;
  EXPECT_EQ(Value(cycles().RecordModel(job, trained)).import_version, 1);
  trained.import_version = std::nullopt;  // another attempt
  const Model again = Value(cycles().RecordModel(job, trained));
  EXPECT_EQ(again.import_version, std::nullopt);
  EXPECT_EQ(again.version, 2);
}

TEST_F(ImportModelTest, ARepeatedRequestChangesNothing) {
  const domain::RequestKey request = Request("ImportWeights", "r");
  EXPECT_EQ(Value(Import(true, request)).version, 1);
  EXPECT_EQ(Value(Import(true)).version, 2);
  const Model again = Value(Import(true, request));
  EXPECT_EQ(again.version, 1);
  EXPECT_FALSE(again.published);
  EXPECT_EQ(Published(), 2);
  EXPECT_EQ(Start(), 2);
  EXPECT_EQ(FieldOf(Import(true, Request("ImportWeights", "r", "other")).status()), "request_id");
  EXPECT_EQ(Value(cycles().ListModels(pool_.key, {})).items.size(), 2u);
}

TEST_F(ImportModelTest, VersionsAreGivenOnceWhileCyclesRecordTheirs) {
  ASSERT_OK(cycles().StartCycle(pool_.key, true, {}));
  const JobLease job = Claim(domain::JobKind::kTrain);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        if (i == 0) {
          CycleStore::TrainedModel trained;
          trained.weights_sha256 = std::string(64, 'a');
          EXPECT_OK(cycles().RecordModel(job, trained));
        } else {
          EXPECT_OK(Import(round % 2 == 0));
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(Value(cycles().ListModels(pool_.key, {100, ""})).items.size(), 31u);
  EXPECT_EQ(Value(cycles().ListModels(pool_.key, {100, ""})).items.front().version, 31);
}

}  // namespace
}  // namespace mgral::test
