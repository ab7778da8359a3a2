#include "server/app/import_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "server/base/errors.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::app {
namespace {

using ::testing::_;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Return;
using ::testing::SaveArg;
using ImportedModel = domain::CycleStore::ImportedModel;

// Keeps what it was asked.
class SeenRuntime : public test::FakeDetectorRuntime {
 public:
  absl::StatusOr<ImportReport> Import(const ImportRequest& request) override {
    seen = request;
    return FakeDetectorRuntime::Import(request);
  }
  ImportRequest seen;
};

class ImportWeightsTest : public ::testing::Test {
 protected:
  ImportWeightsTest() {
    pool_.pool_id = "cells";
    pool_.key = 7;
    pool_.classes = {"a", "b"};
    pool_.detector.profile = "micro";
    pool_.selection.seed = 4;
    header_.file_name = "best.pth";
    header_.size_bytes = 4;
    model_.version = 3;
  }
  absl::StatusOr<ImportWeights::Result> Run(const std::vector<std::string>& pieces) {
    size_t at = 0;
    const int before = Files();
    return import_.Run(
        {}, pool_, header_,
        [&](absl::string_view* piece) -> absl::StatusOr<bool> {
          EXPECT_EQ(Files(), before);  // nothing is left if we die now
          if (at == pieces.size()) return false;
          *piece = pieces[at++];
          return true;
        },
        request_);
  }
  // Of the whole artifact folder.
  int Files() const {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(artifacts_.root())) {
      files += entry.is_regular_file() && entry.path().filename() != "lock" ? 1 : 0;
    }
    return files;
  }
  // The field and the message of a refusal that leaves nothing.
  std::string Refusal(const std::vector<std::string>& pieces) {
    EXPECT_CALL(cycles_, ImportModel).Times(0);
    const absl::Status status = Run(pieces).status();
    EXPECT_EQ(Files(), 0);
    EXPECT_THAT(*artifacts_.WorkFolders({}), IsEmpty());
    const auto violations = base::FieldViolations(status);
    if (violations.size() != 1) return status.ToString();
    return violations[0].field + " " + violations[0].description;
  }

  domain::Pool pool_;
  domain::Model model_;
  domain::RequestKey request_;
  ImportWeights::Header header_;
  testing::StrictMock<test::MockCycleStore> cycles_;
  test::TemporaryArtifactStore artifacts_;
  SeenRuntime runtime_;
  ImportWeights import_{&cycles_, &artifacts_, &runtime_, 1000};
};

TEST_F(ImportWeightsTest, AFileThatFitsWhollyIsPublished) {
  ImportedModel stored;
  EXPECT_CALL(cycles_, ImportModel(7, _, _)).WillOnce(DoAll(SaveArg<1>(&stored), Return(model_)));
  const auto result = Run({"2 ", "", "99"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->model.version, 3);
  EXPECT_EQ(result->report.taken, 2);
  EXPECT_FALSE(result->classes_mapped);
  EXPECT_TRUE(stored.publish);
  EXPECT_EQ(stored.file_name, "best.pth");
  EXPECT_EQ(stored.profile, "micro");
  EXPECT_EQ(stored.parameters, 10);
  EXPECT_EQ(stored.num_classes, 2);
  EXPECT_EQ(*artifacts_.Get(stored.weights_sha256), "2 99");
  EXPECT_EQ(Files(), 1);
  EXPECT_THAT(*artifacts_.WorkFolders({}), IsEmpty());
  EXPECT_EQ(runtime_.seen.num_classes, 2);
  EXPECT_EQ(runtime_.seen.seed, 4u);
  EXPECT_THAT(runtime_.seen.class_labels, IsEmpty());
}

TEST_F(ImportWeightsTest, OneThatLacksSomethingIsNot) {
  ImportedModel stored;
  EXPECT_CALL(cycles_, ImportModel(7, _, _)).WillOnce(DoAll(SaveArg<1>(&stored), Return(model_)));
  EXPECT_TRUE(Run({"9 99"}).ok());
  EXPECT_FALSE(stored.publish);
}

TEST_F(ImportWeightsTest, ARequestIsOfItsFile) {
  request_ = {"ImportWeights", "r", "f"};
  domain::RequestKey first, second;
  EXPECT_CALL(cycles_, ImportModel(7, _, _))
      .WillOnce(DoAll(SaveArg<2>(&first), Return(model_)))
      .WillOnce(DoAll(SaveArg<2>(&second), Return(model_)));
  EXPECT_TRUE(Run({"2 99"}).ok());
  EXPECT_TRUE(Run({"2 98"}).ok());
  EXPECT_EQ(first.request_id, "r");
  EXPECT_THAT(first.fingerprint, ::testing::StartsWith("f "));
  EXPECT_NE(first.fingerprint, second.fingerprint);
}

TEST_F(ImportWeightsTest, AFileOfAnotherSizeOrHashIsRefused) {
  EXPECT_EQ(Refusal({"2 9"}), "data has 3 bytes; size_bytes is 4");
  EXPECT_EQ(Refusal({"2 99", "9"}), "data is longer than size_bytes, which is 4");
  EXPECT_EQ(Refusal({}), "data has 0 bytes; size_bytes is 4");
  header_.sha256 = std::string(64, 'a');
  EXPECT_THAT(Refusal({"2 99"}), HasSubstr("sha256 is not that of the data, "));
  header_.sha256 = "abc";
  EXPECT_THAT(Refusal({"2 99"}), HasSubstr("sha256 is not a SHA-256"));
  header_.sha256 = "";
  EXPECT_EQ(Refusal({"abcd"}), "data is no file of weights");
}

TEST_F(ImportWeightsTest, AHeaderThatCannotBeIsRefusedBeforeTheFileComes) {
  header_.size_bytes = 1001;
  EXPECT_EQ(Refusal({"2 99"}),
            "size_bytes is 1001; it must be from 1 to 1000 (the server's option "
            "max_weights_bytes)");
  for (const int64_t size : {int64_t{0}, int64_t{-1}}) {
    header_.size_bytes = size;
    EXPECT_THAT(Refusal({}), HasSubstr("size_bytes is"));
  }
  header_.size_bytes = 4;
  header_.file_name = "";
  EXPECT_EQ(Refusal({"2 99"}), "file_name is empty");
  header_.file_name = "a\nb";
  EXPECT_THAT(Refusal({"2 99"}), HasSubstr("file_name "));
}

TEST_F(ImportWeightsTest, APoolWithAnExternalDetectorIsRefused) {
  pool_.detector.profile = domain::kExternalProfile;
  EXPECT_THAT(Refusal({"2 99"}), HasSubstr("parent "));
  EXPECT_EQ(base::Reason(Run({"2 99"}).status()), "EXTERNAL_DETECTOR");
}

TEST_F(ImportWeightsTest, ClassLabelsAreOfThePoolsClasses) {
  header_.class_labels = {{"b", 17}};
  EXPECT_CALL(cycles_, ImportModel(7, _, _)).WillOnce(Return(model_));
  const auto mapped = Run({"2 99"});
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_TRUE(mapped->classes_mapped);
  EXPECT_THAT(runtime_.seen.class_labels, ::testing::ElementsAre(-1, 17));
}

TEST_F(ImportWeightsTest, OtherClassLabelsAreRefused) {
  header_.class_labels = {{"b", 17}, {"c", 1}};
  EXPECT_EQ(Refusal({"2 99"}), "class_labels[1].class_name \"c\" is no class of the pool");
  header_.class_labels = {{"b", 17}, {"b", 1}};
  EXPECT_EQ(Refusal({"2 99"}), "class_labels[1].class_name is repeated in the list");
  header_.class_labels = {{"b", -1}};
  EXPECT_THAT(Refusal({"2 99"}), HasSubstr("class_labels[0].label is -1"));
}

TEST_F(ImportWeightsTest, AClientThatGoesAwayLeavesNothing) {
  EXPECT_CALL(cycles_, ImportModel).Times(0);
  const auto stopped = import_.Run(
      {}, pool_, header_,
      [](absl::string_view*) -> absl::StatusOr<bool> { return absl::UnavailableError("stopping"); },
      request_);
  EXPECT_TRUE(absl::IsUnavailable(stopped.status()));
  domain::CallContext canceled;
  canceled.canceled = [] { return true; };
  EXPECT_TRUE(
      absl::IsCancelled(import_
                            .Run(
                                canceled, pool_, header_, [](auto*) { return true; }, request_)
                            .status()));
  // In the middle of the file: the stream ends as if it had been closed.
  int pieces = 0;
  canceled.canceled = [&pieces] { return pieces == 2; };
  const auto cut = import_.Run(
      canceled, pool_, header_,
      [&pieces](absl::string_view* piece) {
        *piece = "2";
        return ++pieces < 2;
      },
      request_);
  EXPECT_TRUE(absl::IsCancelled(cut.status())) << cut.status();
  EXPECT_EQ(Files(), 0);
}

}  // namespace
}  // namespace mgral::app
