#include "server/app/export_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "server/base/errors.h"
#include "tests/support/fake_detector_runtime.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/cycle/mock_cycle_store.h"

namespace mgral::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Return;

// Exports three pieces and a half.
class LargeRuntime : public test::FakeDetectorRuntime {
 public:
  absl::StatusOr<std::string> Export(const std::string& weights_path,
                                     const std::map<std::string, std::string>& metadata,
                                     const std::string& path) override {
    auto network = FakeDetectorRuntime::Export(weights_path, metadata, path);
    if (network.ok()) std::filesystem::resize_file(path, 7 << 19);
    return network;
  }
};

class ExportModelTest : public ::testing::Test {
 protected:
  ExportModelTest() {
    pool_.pool_id = "cells";
    pool_.key = 7;
    pool_.classes = {"a \"quoted\" class", "b"};
    model_.version = 3;
    model_.profile = "tiny";
    model_.parameters = 10;
    model_.training_images = 40;
    model_.weights_sha256 = *artifacts_.Put("2 99");  // the fake's weights
    model_.validation.images = 8;
    model_.validation.map50 = 0.5;
    model_.validation.map = 0.25;
    model_.validation.classes = {{0.5, 0.5, 0.25, 9}, {NAN, NAN, NAN, 0}};
    ON_CALL(cycles_, GetModel)
        .WillByDefault([this](int64_t, int64_t version) -> absl::StatusOr<domain::Model> {
          if (version == model_.version) return model_;
          return base::NotFound("model", "models/x");
        });
  }
  absl::Status Run(std::optional<int64_t> version) {
    header_ = {};
    file_.clear();
    pieces_ = 0;
    return export_.Run(
        {}, pool_, version,
        [this](const ExportModel::Header& header) {
          header_ = header;
          EXPECT_THAT(*artifacts_.WorkFolders({}), IsEmpty());  // nothing is left if we die now
          return true;
        },
        [this](absl::string_view piece) {
          EXPECT_LE(piece.size(), size_t{1} << 20);
          file_.append(piece.data(), piece.size());
          return ++pieces_ < most_pieces_;
        });
  }

  domain::Pool pool_;
  domain::Model model_;
  testing::NiceMock<test::MockCycleStore> cycles_;
  test::TemporaryArtifactStore artifacts_;
  LargeRuntime runtime_;
  ExportModel export_{&cycles_, &artifacts_, &runtime_, "1.2.3"};
  ExportModel::Header header_;
  std::string file_;
  int pieces_ = 0, most_pieces_ = 100;
};

TEST_F(ExportModelTest, TheFileComesInPiecesAfterItsDescription) {
  const absl::Status status = Run(3);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(header_.version, 3);
  EXPECT_EQ(header_.size_bytes, 7 << 19);
  EXPECT_EQ(file_.size(), size_t{7} << 19);
  EXPECT_EQ(pieces_, 4);
  EXPECT_THAT(file_, HasSubstr("model=pools/cells/models/3"));
  EXPECT_THAT(file_, HasSubstr("mgral_version=1.2.3"));
  EXPECT_THAT(file_, HasSubstr("weights_sha256=" + model_.weights_sha256));

  const auto json = nlohmann::json::parse(header_.description);
  EXPECT_EQ(json["format"], "mgral.model");
  EXPECT_EQ(json["model"], "pools/cells/models/3");
  EXPECT_EQ(json["weights_sha256"], model_.weights_sha256);
  EXPECT_EQ(json["classes"], nlohmann::json(pool_.classes));
  EXPECT_EQ(json["architecture"]["num_classes"], 2);
  EXPECT_EQ(json["validation"]["map50"], 0.5);
  EXPECT_EQ(json["validation"]["classes"][0]["ap"], 0.25);
  EXPECT_TRUE(json["validation"]["classes"][1]["ap50"].is_null());
  for (const char* part : {"input", "anchors", "boxes", "postprocessing"}) {
    EXPECT_TRUE(json.contains(part)) << part;
  }
  const std::string file = file_, description = header_.description;
  ASSERT_TRUE(Run(3).ok());
  EXPECT_EQ(file_, file);
  EXPECT_EQ(header_.description, description);
}

TEST_F(ExportModelTest, WithoutAVersionItIsThePublishedModel) {
  EXPECT_EQ(base::Reason(Run(std::nullopt)), "NO_MODEL");
  pool_.published_model_version = 3;
  EXPECT_TRUE(Run(std::nullopt).ok());
  EXPECT_EQ(header_.version, 3);
  EXPECT_TRUE(absl::IsNotFound(Run(4)));
}

TEST_F(ExportModelTest, LostAndChangedWeightsAreDataLoss) {
  std::ofstream(*artifacts_.PathOf(model_.weights_sha256)) << "changed";
  EXPECT_TRUE(absl::IsDataLoss(Run(3)));
  model_.weights_sha256 = std::string(64, 'a');
  EXPECT_TRUE(absl::IsDataLoss(Run(3)));
  EXPECT_EQ(header_.version, 0);
  EXPECT_TRUE(absl::IsDataLoss(RollbackModel(&cycles_, &artifacts_, 7, 3, {}).status()));
  EXPECT_THAT(*artifacts_.WorkFolders({}), IsEmpty());
}

TEST_F(ExportModelTest, NothingIsLeftWhereTheRuntimeFails) {
  model_.weights_sha256 = *artifacts_.Put("no weights");
  EXPECT_TRUE(absl::IsInternal(Run(3)));
  EXPECT_EQ(header_.version, 0);
  EXPECT_THAT(*artifacts_.WorkFolders({}), IsEmpty());
}

TEST_F(ExportModelTest, StopsWhenNobodyListens) {
  most_pieces_ = 2;
  EXPECT_TRUE(absl::IsCancelled(Run(3)));
  EXPECT_EQ(pieces_, 2);
}

TEST_F(ExportModelTest, RollsBackToAModelWhoseWeightsAreThere) {
  EXPECT_CALL(cycles_, Rollback(7, 3, testing::_)).WillOnce(Return(model_));
  EXPECT_EQ(RollbackModel(&cycles_, &artifacts_, 7, 3, {})->version, 3);
  EXPECT_TRUE(absl::IsNotFound(RollbackModel(&cycles_, &artifacts_, 7, 4, {}).status()));
}

}  // namespace
}  // namespace mgral::app
