#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::BatchState;
using domain::Box;
using domain::ImageState;
using domain::ImageUse;
using domain::NewLabels;

using LabelStoreTest = StoresTest;

TEST_F(LabelStoreTest, KeepsTheSizeThatTheLabelsAreFor) {
  Register(1);
  domain::NewLabels labels;
  labels.image_id = "img-0";
  labels.width = 30;
  labels.height = 20;
  ASSERT_OK(this->labels().IngestLabels(pool_.key, {labels}, {}));
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).width, 30);
  labels.width = labels.height = 0;  // as registered
  ASSERT_OK(this->labels().IngestLabels(pool_.key, {labels}, {}));
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).width, 30);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).height, 20);
}

TEST_F(LabelStoreTest, StoresAllOrNone) {
  Register(2);
  const auto unknown = Label({"img-0", "never registered"});
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  EXPECT_EQ(FieldOf(unknown.status()), "labels[1].image_id");
  EXPECT_EQ(StateOf("img-0"), ImageState::kUnlabeled);

  const auto nul = Label({"img-0", std::string("img-1\0", 6)});
  EXPECT_EQ(FieldOf(nul.status()), "labels[1].image_id");
  const auto twice = Label({"img-0", "img-0"});
  EXPECT_EQ(FieldOf(twice.status()), "labels[1].image_id");
  EXPECT_EQ(Counts().labeled, 0);
}

TEST_F(LabelStoreTest, RefusesAnUnknownBatchAndOneThatLacksTheImage) {
  Register(3);
  const domain::Batch batch = Lease(2);
  for (const std::string id : {"999999", "x", "-1", "01", "99999999999999999999"}) {
    const auto refused = Label({batch.images[0].image_id}, id);
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << id;
    EXPECT_EQ(FieldOf(refused.status()), "labels[0].batch");
  }
  std::string outside;
  for (const char* id : {"img-0", "img-1", "img-2"}) {
    if (StateOf(id) == ImageState::kUnlabeled) outside = id;
  }
  const auto refused = Label({batch.images[0].image_id, outside}, batch.batch_id);
  EXPECT_EQ(FieldOf(refused.status()), "labels[1].batch");
  EXPECT_EQ(Counts().labeled, 0);

  const domain::Pool other = MakePool("other");
  NewLabels label;
  label.image_id = "a";
  label.batch_id = batch.batch_id;
  ASSERT_OK(pools().RegisterImages(other.key, {ImageAt("a", "a")}, {}));
  EXPECT_EQ(FieldOf(labels().IngestLabels(other.key, {label}, {}).status()), "labels[0].batch");
}

TEST_F(LabelStoreTest, KeepsBoxesExactlyAndNumbersRevisions) {
  Register(1);
  NewLabels label;
  label.image_id = "img-0";
  label.boxes = {{0.1, 1.0 / 3, 639.9, 1e-9, 2, true, 0}, {5, 6, 7, 8, 0, false, 0}};
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  label.boxes.clear();  // nothing in the image is a label too
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  auto page = Value(labels().ListLabels(pool_.key, {10, ""}));
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].revision, 2);
  EXPECT_TRUE(page.items[0].boxes.empty());
  label.boxes = {{0.1, 1.0 / 3, 639.9, 1e-9, 2, true, 0}, {5, 6, 7, 8, 0, false, 0}};
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  page = Value(labels().ListLabels(pool_.key, {10, ""}));
  ASSERT_EQ(page.items[0].boxes.size(), 2u);
  const Box& box = page.items[0].boxes[0];
  EXPECT_EQ(box.x_min, 0.1);
  EXPECT_EQ(box.y_min, 1.0 / 3);
  EXPECT_EQ(box.width, 639.9);
  EXPECT_EQ(box.height, 1e-9);
  EXPECT_EQ(box.class_index, 2);
  EXPECT_TRUE(box.ignore);
  EXPECT_FALSE(page.items[0].late);
  EXPECT_EQ(page.items[0].batch_id, "");
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).label_revision, 3);
}

TEST_F(LabelStoreTest, CompletesABatchWithItsLastImage) {
  Register(3);
  const domain::Batch batch = Lease(3);
  const auto ids = Ids(batch);
  ASSERT_OK(Label({ids[0]}, batch.batch_id));
  ASSERT_OK(Label({ids[1]}));  // outside of the lease: it counts all the same
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, batch.batch_id)).state, BatchState::kLeased);
  NewLabels refused;
  refused.image_id = ids[2];
  refused.reject_reason = "blurred";
  refused.batch_id = batch.batch_id;
  const auto ingested = Value(labels().IngestLabels(pool_.key, {refused}, {}));
  EXPECT_EQ(ingested.ingested, 1);
  EXPECT_EQ(ingested.late, 0);
  const auto done = Value(batches().GetBatch(pool_.key, batch.batch_id));
  EXPECT_EQ(done.state, BatchState::kCompleted);
  EXPECT_EQ(done.images[2].state, ImageState::kRejected);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, ids[2])).reject_reason, "blurred");
  EXPECT_EQ(Value(labels().ListLabels(pool_.key, {10, ""})).items.size(), 2u);
  // A correction while the lease would still run is not late.
  EXPECT_EQ(Value(Label({ids[0]}, batch.batch_id)).late, 0);
}

TEST_F(LabelStoreTest, AcceptsLateLabelsAndFlagsThem) {
  Register(2);
  const domain::Batch batch = Lease(2);
  stores_->EndBatchLease(batch.batch_id);  // over at once, whoever has swept it or not
  const auto ids = Ids(batch);
  const auto late = Value(Label({ids[0]}, batch.batch_id));
  EXPECT_EQ(late.ingested, 1);
  EXPECT_EQ(late.late, 1);
  ASSERT_OK(batches().RunMaintenance());
  EXPECT_EQ(StateOf(ids[0]), ImageState::kLabeled);
  EXPECT_EQ(StateOf(ids[1]), ImageState::kUnlabeled);

  const domain::Batch second = Lease(1);
  EXPECT_EQ(Ids(second), std::vector<std::string>{ids[1]});
  EXPECT_EQ(Value(Label({ids[1]}, batch.batch_id)).late, 1);
  // The image is labeled, so the second batch waits for nothing more.
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, second.batch_id)).state, BatchState::kCompleted);
  EXPECT_EQ(Value(batches().GetBatch(pool_.key, batch.batch_id)).state, BatchState::kExpired);
  const auto page = Value(labels().ListLabels(pool_.key, {10, ""}));
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_TRUE(page.items[0].late);
  EXPECT_EQ(page.items[0].batch_id, batch.batch_id);
}

TEST_F(LabelStoreTest, MovesImagesBetweenTrainingAndValidation) {
  Register(2);
  NewLabels label;
  label.image_id = "img-0";
  label.use = ImageUse::kValidation;
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  EXPECT_EQ(Counts().validation, 1);
  label.use = std::nullopt;
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  EXPECT_EQ(Counts().validation, 1);
  label.use = ImageUse::kTraining;
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  EXPECT_EQ(Counts().validation, 0);
}

TEST_F(LabelStoreTest, ARejectedImageCanBeLabeledAfterAll) {
  Register(1);
  NewLabels label;
  label.image_id = "img-0";
  label.reject_reason = "blurred";
  ASSERT_OK(labels().IngestLabels(pool_.key, {label}, {}));
  EXPECT_EQ(StateOf("img-0"), ImageState::kRejected);
  ASSERT_OK(Label({"img-0"}));
  const auto image = Value(pools().GetImage(pool_.key, "img-0"));
  EXPECT_EQ(image.state, ImageState::kLabeled);
  EXPECT_EQ(image.reject_reason, "");
  EXPECT_EQ(image.label_revision, 1);
}

TEST_F(LabelStoreTest, ReplaysARequest) {
  Register(1);
  NewLabels label;
  label.image_id = "img-0";
  const auto key = Request("BatchIngestLabels", "r");
  EXPECT_EQ(Value(labels().IngestLabels(pool_.key, {label}, key)).ingested, 1);
  EXPECT_EQ(Value(labels().IngestLabels(pool_.key, {label}, key)).ingested, 1);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).label_revision, 1);
  const auto other =
      labels().IngestLabels(pool_.key, {label}, Request("BatchIngestLabels", "r", "other"));
  EXPECT_EQ(FieldOf(other.status()), "request_id");
}

TEST_F(LabelStoreTest, ListsInPages) {
  Register(5);
  ASSERT_OK(Label({"img-4", "img-0", "img-2"}));
  const auto first = Value(labels().ListLabels(pool_.key, {2, ""}));
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].image_id, "img-0");
  const auto second = Value(labels().ListLabels(pool_.key, {2, first.next_page_token}));
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.items[0].image_id, "img-4");
  EXPECT_EQ(second.next_page_token, "");
  EXPECT_EQ(FieldOf(labels().ListLabels(pool_.key, {2, "garbage"}).status()), "page_token");
}

}  // namespace
}  // namespace mgral::test
