#include <thread>

#include "tests/conformance/stores.h"

namespace mgral::test {
namespace {

using domain::ImageState;
using domain::ImageUse;
using domain::Pool;
using ::testing::ElementsAre;

using PoolStoreTest = StoresTest;

std::string TextWithNul() { return std::string("a\0b", 3); }

TEST_F(PoolStoreTest, RefusesATakenPoolId) {
  Pool again;
  again.pool_id = "cats";
  again.classes = {"x"};
  const auto created = pools().CreatePool(again, {});
  EXPECT_EQ(created.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(base::ResourceName(created.status()), "pools/cats");
}

TEST_F(PoolStoreTest, UnknownPoolsAreNotFound) {
  EXPECT_TRUE(absl::IsNotFound(pools().GetPool("dogs").status()));
  EXPECT_TRUE(absl::IsNotFound(pools().GetPool(TextWithNul()).status()));
  EXPECT_TRUE(absl::IsNotFound(pools().DeletePool("dogs", true)));
  EXPECT_TRUE(
      absl::IsNotFound(pools().RegisterImages(999999, {ImageAt("a", "a.jpg")}, {}).status()));
  EXPECT_TRUE(absl::IsNotFound(
      pools()
          .RegisterImages(999999, {ImageAt("a", "a.jpg")}, Request("RegisterImages", "r"))
          .status()));
}

TEST_F(PoolStoreTest, KeepsThatAPoolWantsNoReplayProbes) {
  Pool pool = pool_;
  pool.pool_id = "no-probes";
  pool.selection.replay_probes = -1;
  ASSERT_OK(pools().CreatePool(pool, {}));
  EXPECT_EQ(Value(pools().GetPool("no-probes")).selection.replay_probes, -1);
}

TEST_F(PoolStoreTest, KeepsEverythingOfAPool) {
  Pool pool;
  pool.pool_id = "dogs";
  pool.display_name = "Hunde \xc3\xa4";
  pool.classes = {"one"};
  pool.detector = {"base", true, 123, 320, "resnet18"};
  pool.selection = {"core_set", 17, 4, 5, -9, 7.3, 0.1, 0.25};
  pool.applies_exif_orientation = false;
  ASSERT_OK(pools().CreatePool(pool, {}));
  const Pool read = Value(pools().GetPool("dogs"));
  EXPECT_EQ(read.display_name, pool.display_name);
  EXPECT_EQ(read.classes, pool.classes);
  EXPECT_EQ(read.detector.profile, "base");
  EXPECT_TRUE(read.detector.warm_start);
  EXPECT_EQ(read.detector.training_steps, 123);
  EXPECT_EQ(read.detector.input_size, 320);
  EXPECT_EQ(read.detector.trunk, "resnet18");
  EXPECT_EQ(read.selection.strategy, "core_set");
  EXPECT_EQ(read.selection.batch_size, 17);
  EXPECT_EQ(read.selection.probes, 4);
  EXPECT_EQ(read.selection.replay_probes, 5);
  EXPECT_EQ(read.selection.seed, -9);
  EXPECT_EQ(read.selection.seconds_per_image, 7.3);
  EXPECT_EQ(read.selection.seconds_per_box, 0.1);
  EXPECT_EQ(read.selection.uniform_share, 0.25);
  EXPECT_EQ(read.selection.probe_seconds, 0);
  pool.pool_id = "hurried";
  pool.selection.replay_probes = 0;
  pool.selection.probe_seconds = 12.5;
  ASSERT_OK(pools().CreatePool(pool, {}));
  EXPECT_EQ(Value(pools().GetPool("hurried")).selection.probe_seconds, 12.5);
  EXPECT_FALSE(read.applies_exif_orientation);
  EXPECT_TRUE(pool_.applies_exif_orientation);
  EXPECT_FALSE(read.published_model_version.has_value());
  EXPECT_EQ(read.counts.unlabeled, 0);
  EXPECT_LT(absl::Now() - read.create_time, absl::Minutes(5));
  EXPECT_THAT(pool_.classes, ElementsAre("cat", "a dog, with \"quotes\" {and} \\", "NULL"));
}

TEST_F(PoolStoreTest, ListsPoolsInPages) {
  MakePool("b");
  MakePool("a");
  const auto first = Value(pools().ListPools({2, ""}, {}));
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].pool_id, "cats");
  const auto second = Value(pools().ListPools({2, first.next_page_token}, {}));
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.items[0].pool_id, "a");
  EXPECT_EQ(second.next_page_token, "");
}

TEST_F(PoolStoreTest, ListsOnlyPoolsOfTheScope) {
  for (const char* id : {"dogs", "cats-2", "cat", "birds", "cats-3"}) MakePool(id);
  const domain::PoolScope scope = {false, {"birds", "none"}, {"cats", "fish-"}};
  std::vector<std::string> ids;
  domain::PageRequest page{2, ""};
  do {
    const auto listed = Value(pools().ListPools(page, scope));
    EXPECT_LE(listed.items.size(), 2u);
    for (const Pool& pool : listed.items) ids.push_back(pool.pool_id);
    page.token = listed.next_page_token;
  } while (!page.token.empty());
  EXPECT_THAT(ids, ElementsAre("cats", "cats-2", "birds", "cats-3"));
  EXPECT_TRUE(Value(pools().ListPools({2, ""}, {false, {}, {}})).items.empty());
}

TEST_F(PoolStoreTest, RefusesForeignPageTokens) {
  Register(3);
  for (const std::string token : {"x", "%%%", "Njk", "AAAA////"}) {
    const auto page = pools().ListImages(pool_.key, {2, token}, std::nullopt, std::nullopt);
    EXPECT_TRUE(absl::IsInvalidArgument(page.status())) << token;
    EXPECT_EQ(FieldOf(page.status()), "page_token");
  }
  const auto page = Value(pools().ListImages(pool_.key, {2, ""}, std::nullopt, std::nullopt));
  EXPECT_FALSE(
      pools().ListImages(pool_.key, {2, page.next_page_token}, ImageState::kLabeled, {}).ok());
  const Pool other = MakePool("other");
  EXPECT_FALSE(pools().ListImages(other.key, {2, page.next_page_token}, {}, {}).ok());
  EXPECT_FALSE(pools().ListPools({2, page.next_page_token}, {}).ok());
}

TEST_F(PoolStoreTest, RegistersAllOrNone) {
  ASSERT_OK(pools().RegisterImages(pool_.key, {ImageAt("a", "a.jpg")}, {}));
  const auto refused = pools().RegisterImages(
      pool_.key, {ImageAt("new", "new.jpg"), ImageAt("a", "elsewhere.jpg")}, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FieldOf(refused.status()), "images[1].image_id");
  EXPECT_EQ(base::ResourceName(refused.status()), "pools/cats/images/a");
  EXPECT_TRUE(absl::IsNotFound(pools().GetImage(pool_.key, "new").status()));

  auto validation = ImageAt("a", "a.jpg");
  validation.use = ImageUse::kValidation;
  EXPECT_FALSE(pools().RegisterImages(pool_.key, {validation}, {}).ok());

  const auto twice =
      pools().RegisterImages(pool_.key, {ImageAt("b", "b.jpg"), ImageAt("b", "b.jpg")}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(twice.status()));
  EXPECT_EQ(FieldOf(twice.status()), "images[1].image_id");
  EXPECT_EQ(Counts().unlabeled, 1);
}

TEST_F(PoolStoreTest, RefusesTextThatCannotBeStored) {
  for (const std::string& bad :
       {TextWithNul(), std::string("\xff\xfe"), std::string("\xed\xa0\x80"), std::string(),
        std::string(257, 'x')}) {
    const auto refused =
        pools().RegisterImages(pool_.key, {ImageAt("ok", "p"), ImageAt(bad, "path")}, {});
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
    EXPECT_EQ(FieldOf(refused.status()), "images[1].image_id");
  }
  const auto path = pools().RegisterImages(pool_.key, {ImageAt("ok", TextWithNul())}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(path.status()));
  EXPECT_EQ(Counts().training, 0);
}

TEST_F(PoolStoreTest, CountsWhatWasRegisteredBefore) {
  Register(3);
  std::vector<domain::NewImage> images = {ImageAt("img-1", "folder/1.jpg"), ImageAt("b", "b.jpg"),
                                          ImageAt("\"{\\},'", "we \"ird\", \\path.jpg")};
  const auto registered = Value(pools().RegisterImages(pool_.key, images, {}));
  EXPECT_EQ(registered.registered, 2);
  EXPECT_EQ(registered.existing, 1);
  const auto image = Value(pools().GetImage(pool_.key, "\"{\\},'"));
  EXPECT_EQ(image.source.location, "we \"ird\", \\path.jpg");
  EXPECT_EQ(image.width, 640);
  EXPECT_EQ(image.height, 480);
  EXPECT_EQ(image.state, ImageState::kUnlabeled);
  EXPECT_EQ(image.label_revision, 0);
}

TEST_F(PoolStoreTest, ARepeatedRegistrationLeavesTheUseThatLabelsGave) {
  Register(1);
  domain::NewLabels labels_of_it;
  labels_of_it.image_id = "img-0";
  labels_of_it.use = ImageUse::kValidation;
  ASSERT_OK(labels().IngestLabels(pool_.key, {labels_of_it}, {}));
  const auto again =
      Value(pools().RegisterImages(pool_.key, {ImageAt("img-0", "folder/0.jpg")}, {}));
  EXPECT_EQ(again.existing, 1);
  EXPECT_EQ(Value(pools().GetImage(pool_.key, "img-0")).use, ImageUse::kValidation);
  EXPECT_FALSE(pools().RegisterImages(pool_.key, {ImageAt("img-0", "elsewhere.jpg")}, {}).ok());
}

TEST_F(PoolStoreTest, ReplaysARequest) {
  const auto key = Request("BatchRegisterImages", "request 1");
  const std::vector<domain::NewImage> images = {ImageAt("a", "a.jpg"), ImageAt("b", "b.jpg")};
  EXPECT_EQ(Value(pools().RegisterImages(pool_.key, images, key)).registered, 2);
  const auto again = Value(pools().RegisterImages(pool_.key, images, key));
  EXPECT_EQ(again.registered, 2);
  EXPECT_EQ(again.existing, 0);

  const auto other = pools().RegisterImages(pool_.key, {ImageAt("c", "c.jpg")},
                                            Request("BatchRegisterImages", "request 1", "other"));
  EXPECT_TRUE(absl::IsInvalidArgument(other.status()));
  EXPECT_EQ(FieldOf(other.status()), "request_id");
  EXPECT_EQ(Counts().training, 2);

  // Another pool, another method: another request.
  const Pool dogs = MakePool("dogs");
  EXPECT_EQ(Value(pools().RegisterImages(dogs.key, images, key)).registered, 2);
}

TEST_F(PoolStoreTest, ReplaysTheCreationOfAPool) {
  Pool pool;
  pool.pool_id = "dogs";
  pool.classes = {"dog"};
  const Pool first = Value(pools().CreatePool(pool, Request("CreatePool", "r")));
  const Pool again = Value(pools().CreatePool(pool, Request("CreatePool", "r")));
  EXPECT_EQ(again.key, first.key);
  EXPECT_FALSE(pools().CreatePool(pool, Request("CreatePool", "r", "other")).ok());
  EXPECT_FALSE(pools().CreatePool(pool, Request("CreatePool", "r2")).ok());
}

TEST_F(PoolStoreTest, ARefusedRequestMayBeRepeatedUnderItsId) {
  const auto key = Request("BatchRegisterImages", "r");
  EXPECT_FALSE(pools().RegisterImages(pool_.key, {ImageAt("a", "1"), ImageAt("a", "2")}, key).ok());
  ASSERT_OK(pools().RegisterImages(pool_.key, {ImageAt("a", "x")}, {}));
  EXPECT_FALSE(pools().RegisterImages(pool_.key, {ImageAt("a", "y")}, key).ok());
  EXPECT_OK(pools().RegisterImages(pool_.key, {ImageAt("b", "y")}, key));
}

TEST_F(PoolStoreTest, ConcurrentRepetitionsDoTheWorkOnce) {
  const auto key = Request("BatchRegisterImages", "same");
  std::vector<domain::NewImage> images;
  for (int i = 0; i < 200; ++i) images.push_back(ImageAt("i" + std::to_string(i), "p"));
  std::vector<std::thread> threads;
  std::vector<int64_t> registered(8);
  for (size_t t = 0; t < registered.size(); ++t) {
    threads.emplace_back([&, t] {
      registered[t] = Value(pools().RegisterImages(pool_.key, images, key)).registered;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(registered, ::testing::Each(200));
  EXPECT_EQ(Counts().training, 200);
}

TEST_F(PoolStoreTest, DeletingAPoolTakesEverythingAlong) {
  Register(5);
  PublishQueue("mgral", {"img-0", "img-1"});
  const domain::Batch batch = Lease(2, "mgral");
  ASSERT_OK(Label({"img-0"}, batch.batch_id));
  ASSERT_OK(cycles().StartCycle(pool_.key, false, Request("StartCycle", "r")));
  const auto refused = pools().DeletePool("cats", false);
  EXPECT_EQ(base::Reason(refused), "CYCLE_RUNNING");
  const domain::JobLease job = Claim(domain::JobKind::kTrain);
  ASSERT_OK(pools().DeletePool("cats", true));
  EXPECT_TRUE(absl::IsNotFound(pools().GetPool("cats").status()));
  EXPECT_TRUE(absl::IsNotFound(batches().GetBatch(pool_.key, batch.batch_id).status()));
  EXPECT_TRUE(absl::IsNotFound(cycles().GetCycle(pool_.key, "1").status()));
  EXPECT_TRUE(base::IsLeaseLost(jobs().Heartbeat(job, absl::Minutes(1), 0.5)));
  EXPECT_TRUE(absl::IsNotFound(batches().LeaseBatch(Ask(1), nullptr).status()));
  // The name is free again.
  EXPECT_EQ(MakePool("cats").counts.training, 0);
}

}  // namespace
}  // namespace mgral::test
