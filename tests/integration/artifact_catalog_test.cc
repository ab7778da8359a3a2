#include "server/storage/artifact_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/change_listener.h"
#include "server/storage/disk_artifact_store.h"
#include "server/storage/folder_mark.h"
#include "server/storage/postgres_cycle_store.h"
#include "server/storage/postgres_job_queue.h"
#include "server/storage/postgres_pool_store.h"
#include "tests/support/postgres.h"

namespace mgral::storage {
namespace {

using domain::JobKind;
using domain::JobLease;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

class ArtifactCatalogTest : public ::testing::Test {
 protected:
  ArtifactCatalogTest() {
    std::string pattern = ::testing::TempDir() + "/catalog-XXXXXX";
    root_ = mkdtemp(&pattern[0]);
    EXPECT_TRUE(DiskArtifactStore::Prepare(root_).ok());
    artifacts_ = std::make_unique<DiskArtifactStore>(root_);
    EXPECT_TRUE(MarkArtifactFolder(connections_, root_).ok());
    catalog_ = std::make_unique<ArtifactCatalog>(connections_, root_);
    pool_key_ = MakePool("cats");
    Register(pool_key_, "kept", Put("kept"));
  }
  ~ArtifactCatalogTest() override { fs::remove_all(root_); }

  int64_t MakePool(const std::string& pool_id) {
    domain::Pool pool;
    pool.pool_id = pool_id;
    pool.classes = {"a"};
    return pools_.CreatePool(pool, {})->key;
  }
  void Register(int64_t pool_key, const std::string& image_id, const std::string& sha256) {
    domain::NewImage image;
    image.image_id = image_id;
    image.source = {domain::ImageSource::Kind::kArtifact, sha256};
    ASSERT_TRUE(pools_.RegisterImages(pool_key, {image}, {}).ok());
  }
  // Stored long ago.
  std::string Put(const std::string& content) {
    const std::string sha256 = *artifacts_->Put(content);
    Age(*artifacts_->PathOf(sha256));
    return sha256;
  }
  static void Age(const std::string& path) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(48));
  }
  std::vector<std::string> Prune(bool dry_run = false) {
    const auto pruned = catalog_->Prune(absl::Hours(24), dry_run);
    EXPECT_TRUE(pruned.ok()) << pruned.status();
    std::vector<std::string> names;
    if (!pruned.ok()) return names;
    for (const auto& entry : pruned->artifacts) names.push_back(entry.sha256);
    return names;
  }
  std::vector<std::string> OwnersOf(const std::string& sha256) {
    const auto entries = catalog_->List();
    EXPECT_TRUE(entries.ok()) << entries.status();
    for (const auto& entry : *entries) {
      if (entry.sha256 == sha256) return entry.owners;
    }
    return {"not listed"};
  }

  JobLease StartCycle() {
    EXPECT_TRUE(cycles_.StartCycle(pool_key_, false, {}).ok());
    return **jobs_.Claim("worker", absl::Minutes(1));
  }
  JobLease FinishTraining(const JobLease& train, const std::string& weights) {
    domain::CycleStore::TrainedModel model;
    model.weights_sha256 = weights;
    model.validation.classes.resize(1);
    EXPECT_TRUE(cycles_.RecordModel(train, model).ok());
    EXPECT_TRUE(jobs_.Complete(train, "", 1, {}, {{JobKind::kPublish, 0, ""}}).ok());
    return **jobs_.Claim("worker", absl::Minutes(1));
  }
  domain::CycleStore::Snapshot SnapshotOf(const std::string& name) {
    domain::CycleStore::Snapshot snapshot;
    snapshot.selector_sha256 = Put(name + " selector");
    snapshot.manifest_sha256 = Put(name + " manifest");
    snapshot.artifacts = {Put(name + " signals"), Put(name + " examples")};
    return snapshot;
  }

  std::unique_ptr<test::TestDatabase> database_ = test::TestDatabase::Create();
  ConnectionPool connections_{{database_->conninfo(), 8, absl::Seconds(5)}};
  ChangeListener listener_{database_->conninfo()};
  PostgresPoolStore pools_{connections_};
  PostgresCycleStore cycles_{connections_, listener_};
  PostgresJobQueue jobs_{connections_, listener_};
  std::string root_;
  std::unique_ptr<DiskArtifactStore> artifacts_;
  std::unique_ptr<ArtifactCatalog> catalog_;
  int64_t pool_key_ = 0;
};

TEST_F(ArtifactCatalogTest, OnlyWhatNobodyNeedsAndIsOldIsDeleted) {
  const std::string old = Put("old");
  const std::string young = *artifacts_->Put("young");
  std::ofstream(root_ + "/tmp/leftover") << "half";
  Age(root_ + "/tmp/leftover");
  std::ofstream(root_ + "/tmp/being-written") << "half";
  std::ofstream(root_ + "/objects/README") << "no artifact";
  Age(root_ + "/objects/README");

  EXPECT_THAT(Prune(/*dry_run=*/true), ElementsAre(old));
  EXPECT_TRUE(artifacts_->Get(old).ok());
  const auto pruned = catalog_->Prune(absl::Hours(24), false);
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  ASSERT_EQ(pruned->artifacts.size(), 1u);
  EXPECT_EQ(pruned->artifacts[0].sha256, old);
  EXPECT_EQ(pruned->artifacts[0].bytes, 3);
  EXPECT_EQ(pruned->temporary_files, 1);
  EXPECT_EQ(pruned->temporary_bytes, 4);
  EXPECT_TRUE(absl::IsDataLoss(artifacts_->Get(old).status()));
  EXPECT_TRUE(artifacts_->Get(young).ok());
  EXPECT_FALSE(fs::exists(root_ + "/tmp/leftover"));
  EXPECT_TRUE(fs::exists(root_ + "/tmp/being-written"));
  EXPECT_TRUE(fs::exists(root_ + "/objects/README"));
  EXPECT_THAT(Prune(), IsEmpty());
}

TEST_F(ArtifactCatalogTest, StoredAgainIsYoungAgain) {
  const std::string sha256 = Put("content");
  ASSERT_EQ(*artifacts_->Put("content"), sha256);
  EXPECT_THAT(Prune(), IsEmpty());
  Put("content");
  const std::string file = root_ + "/taken-over";
  std::ofstream(file) << "content";
  Age(file);
  ASSERT_EQ(*artifacts_->PutFile(file), sha256);
  EXPECT_THAT(Prune(), IsEmpty());
}

TEST_F(ArtifactCatalogTest, WhatIsStoredAgainWhilePruningStays) {
  for (int round = 0; round < 100; ++round) {
    const std::string content = absl::StrCat("content ", round);
    Put(content);
    std::thread pruning([this] { Prune(); });
    const std::string sha256 = *artifacts_->Put(content);
    pruning.join();
    EXPECT_TRUE(artifacts_->Get(sha256).ok()) << "round " << round;
  }
}

TEST_F(ArtifactCatalogTest, ImagesAndPoolsKeepTheirBytes) {
  const int64_t dogs = MakePool("dogs");
  const std::string shared = Put("shared"), own = Put("own");
  Register(dogs, "dog-1", shared);
  Register(dogs, "dog-2", shared);
  Register(dogs, "dog-3", own);
  Register(pool_key_, "cat-1", shared);
  EXPECT_THAT(OwnersOf(shared),
              ElementsAre("pools/cats/images/cat-1", "pools/dogs/images/dog-1 and 1 more"));
  EXPECT_THAT(Prune(), IsEmpty());
  ASSERT_TRUE(pools_.DeletePool("dogs", false).ok());
  EXPECT_THAT(OwnersOf(shared), ElementsAre("pools/cats/images/cat-1"));
  EXPECT_THAT(OwnersOf(own), IsEmpty());
  EXPECT_THAT(Prune(), ElementsAre(own));
}

TEST_F(ArtifactCatalogTest, ACycleKeepsWhatItStoredUntilItEnds) {
  const std::string inputs = Put("inputs");
  const JobLease train = StartCycle();
  ASSERT_TRUE(cycles_.KeepArtifacts(train, {inputs, inputs}).ok());
  ASSERT_TRUE(cycles_.KeepArtifacts(train, {inputs}).ok());
  EXPECT_THAT(OwnersOf(inputs), ElementsAre("pools/cats/cycles/1"));
  EXPECT_THAT(Prune(), IsEmpty());
  ASSERT_TRUE(cycles_.CancelCycle(pool_key_, "1").ok());
  EXPECT_THAT(Prune(), ElementsAre(inputs));
  // It has no say any more.
  EXPECT_TRUE(base::IsLeaseLost(cycles_.KeepArtifacts(train, {inputs})));
}

TEST_F(ArtifactCatalogTest, EveryModelKeepsItsWeights) {
  const std::string first = Put("first attempt"), second = Put("second attempt");
  const JobLease train = StartCycle();
  domain::CycleStore::TrainedModel model;
  model.weights_sha256 = first;
  model.validation.classes.resize(1);
  ASSERT_TRUE(cycles_.RecordModel(train, model).ok());
  FinishTraining(train, second);
  EXPECT_THAT(OwnersOf(second), ElementsAre("pools/cats/models/1"));
  ASSERT_TRUE(cycles_.CancelCycle(pool_key_, "1").ok());
  EXPECT_THAT(Prune(), ElementsAre(first));
  ASSERT_TRUE(pools_.DeletePool("cats", true).ok());
  Register(MakePool("dogs"), "dog", Put("dog"));
  EXPECT_THAT(Prune(), ::testing::Contains(second));
}

TEST_F(ArtifactCatalogTest, ThePublishedSnapshotAndTheOneBeforeKeepWhatTheNextCycleReads) {
  const auto first = SnapshotOf("first");
  const std::string of_cycle = Put("queue");
  JobLease publish = FinishTraining(StartCycle(), Put("weights"));
  ASSERT_TRUE(cycles_.KeepArtifacts(publish, {of_cycle}).ok());
  ASSERT_TRUE(cycles_.Publish(publish, first, 1).ok());
  EXPECT_THAT(OwnersOf(first.artifacts[0]), ElementsAre("pools/cats/cycles/1"));
  EXPECT_THAT(Prune(), ElementsAre(of_cycle));

  auto second = SnapshotOf("second");
  second.artifacts.push_back(first.artifacts[1]);  // taken over
  publish = FinishTraining(StartCycle(), Put("weights"));
  EXPECT_THAT(Prune(), UnorderedElementsAre(second.selector_sha256, second.manifest_sha256,
                                            second.artifacts[0], second.artifacts[1]))
      << "nobody has said yet that they are needed";
  second = SnapshotOf("second");
  second.artifacts.push_back(first.artifacts[1]);
  ASSERT_TRUE(cycles_.Publish(publish, second, 1).ok());
  EXPECT_THAT(Prune(), IsEmpty()) << "the first may be published again";
  ASSERT_TRUE(cycles_.Rollback(pool_key_, 1, {}).ok());
  EXPECT_THAT(Prune(), IsEmpty());
  ASSERT_TRUE(cycles_.Publish(FinishTraining(StartCycle(), Put("w")), SnapshotOf("3"), 1).ok());
  EXPECT_THAT(Prune(), UnorderedElementsAre(second.selector_sha256, second.manifest_sha256,
                                            second.artifacts[0], second.artifacts[1]));
  EXPECT_TRUE(cycles_.Rollback(pool_key_, 1, {}).ok());
}

TEST_F(ArtifactCatalogTest, WhatIsMissingIsListedWithItsOwner) {
  const std::string sha256 = Put("gone");
  Register(pool_key_, "cat-1", sha256);
  fs::remove(*artifacts_->PathOf(sha256));
  const auto entries = catalog_->List();
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2u);
  const ArtifactCatalog::Entry& gone = (*entries)[(*entries)[0].sha256 == sha256 ? 0 : 1];
  EXPECT_TRUE(gone.missing);
  EXPECT_THAT(gone.owners, ElementsAre("pools/cats/images/cat-1"));
}

TEST_F(ArtifactCatalogTest, NothingIsDeletedFromAFolderThatBelongsToAnotherDatabase) {
  const std::string unneeded = Put("unneeded");
  const auto other = test::TestDatabase::Create();
  ConnectionPool connections({other->conninfo(), 1, absl::Seconds(5)});
  const auto pruned = ArtifactCatalog(connections, root_).Prune(absl::Hours(24), false);
  EXPECT_EQ(base::Reason(pruned.status()), "WRONG_ARTIFACT_DIR") << pruned.status();
  EXPECT_EQ(artifacts_->Get(unneeded).value(), "unneeded");
  EXPECT_TRUE(absl::IsNotFound(
      ArtifactCatalog(connections_, root_ + "/nothing").Prune(absl::Hours(24), false).status()));
}

TEST_F(ArtifactCatalogTest, NothingIsDeletedFromAFolderThatNobodyHasMarked) {
  fs::remove(root_ + "/database");
  const std::string unneeded = Put("unneeded");
  const auto pruned = catalog_->Prune(absl::Hours(24), false);
  EXPECT_EQ(base::Reason(pruned.status()), "WRONG_ARTIFACT_DIR") << pruned.status();
  ASSERT_TRUE(MarkArtifactFolder(connections_, root_).ok());
  EXPECT_THAT(Prune(), ElementsAre(unneeded));
}

TEST_F(ArtifactCatalogTest, EverythingMayGoWhenAllPoolsAreDeleted) {
  ASSERT_TRUE(pools_.DeletePool("cats", true).ok());
  EXPECT_EQ(Prune().size(), 1u);
}

TEST_F(ArtifactCatalogTest, AFolderIsMarkedOnceAndServesNoOtherDatabase) {
  EXPECT_TRUE(MarkArtifactFolder(connections_, root_).ok());
  const auto other = test::TestDatabase::Create();
  ConnectionPool connections({other->conninfo(), 1, absl::Seconds(5)});
  const absl::Status wrong = MarkArtifactFolder(connections, root_);
  EXPECT_EQ(base::Reason(wrong), "WRONG_ARTIFACT_DIR");
  const std::string oid = "SELECT oid FROM pg_database WHERE datname = current_database()";
  for (const auto& text : {database_->Query(oid), other->Query(oid), root_ + "/database"}) {
    EXPECT_THAT(std::string(wrong.message()), ::testing::HasSubstr(text));
  }
  EXPECT_TRUE(CheckArtifactFolder(connections_, root_).ok());
}

TEST_F(ArtifactCatalogTest, TheDatabasesRoleNeedsNoSpecialRightsToMark) {
  database_->Execute("CREATE ROLE ordinary LOGIN");
  ConnectionPool connections({database_->conninfo() + " user=ordinary", 1, absl::Seconds(5)});
  const absl::Status marked = MarkArtifactFolder(connections, root_);
  EXPECT_TRUE(marked.ok()) << marked;
}

}  // namespace
}  // namespace mgral::storage
