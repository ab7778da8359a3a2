#include "server/app/export_labels.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/fake_image_loader.h"
#include "tests/support/mock_pool_store.h"

namespace mgral::app {
namespace {

class ExportLabelsTest : public ::testing::Test {
 protected:
  ExportLabelsTest() {
    pool_.pool_id = "cells";
    pool_.classes = {"a \"quoted\" class", "b"};
    ON_CALL(pools_, LabeledImages)
        .WillByDefault([this](int64_t, domain::ImageUse use, int64_t after_key, int limit) {
          std::vector<domain::PoolStore::LabeledImage> page;
          for (const auto& labeled : labeled_) {
            const bool asked = labeled.image.use == use && labeled.image.key > after_key;
            if (asked && static_cast<int>(page.size()) < limit) page.push_back(labeled);
          }
          return page;
        });
  }
  void AddLabeled(const std::string& image_id, int boxes, domain::ImageUse use) {
    domain::PoolStore::LabeledImage labeled;
    labeled.image.key = static_cast<int64_t>(labeled_.size()) + 100;
    labeled.image.image_id = image_id;
    labeled.image.source = {domain::ImageSource::Kind::kPath, image_id + ".png"};
    labeled.image.use = use;
    labeled.image.width = 64;
    labeled.image.height = 48;
    for (int b = 0; b < boxes; ++b) labeled.boxes.push_back({1.25, 2, 3, 4, 1, false, 0});
    labeled_.push_back(labeled);
  }
  nlohmann::json Export(int* pieces = nullptr) {
    std::string file;
    const absl::Status status =
        ExportCoco({}, &pools_, &loader_, pool_, [&](absl::string_view piece) {
          file.append(piece.data(), piece.size());
          if (pieces != nullptr) ++*pieces;
          return true;
        });
    EXPECT_TRUE(status.ok()) << status;
    return nlohmann::json::parse(file);
  }
  domain::Pool pool_;
  testing::NiceMock<test::MockPoolStore> pools_;
  std::vector<domain::PoolStore::LabeledImage> labeled_;  // by ascending key
  test::FakeImageLoader loader_;
};

TEST_F(ExportLabelsTest, AnEmptyPoolIsAValidFile) {
  const auto coco = Export();
  EXPECT_TRUE(coco["images"].empty());
  EXPECT_TRUE(coco["annotations"].empty());
  EXPECT_EQ(coco["categories"][0]["name"], "a \"quoted\" class");
  EXPECT_EQ(coco["categories"][0]["id"], 1);
}

TEST_F(ExportLabelsTest, ManyImagesComeInPiecesWithTheirAnnotations) {
  for (int i = 0; i < 3000; ++i) {
    AddLabeled("image" + std::to_string(i), i % 3,
               i % 5 == 0 ? domain::ImageUse::kValidation : domain::ImageUse::kTraining);
  }
  int pieces = 0;
  const auto coco = Export(&pieces);
  EXPECT_GT(pieces, 1);
  EXPECT_EQ(coco["images"].size(), 3000u);
  EXPECT_EQ(coco["annotations"].size(), 3000u);
  std::map<int64_t, int> boxes;
  for (const auto& annotation : coco["annotations"]) ++boxes[annotation["image_id"]];
  for (const auto& image : coco["images"]) {
    const int number = std::stoi(image["mgral_image_id"].get<std::string>().substr(5));
    EXPECT_EQ(boxes[image["id"]], number % 3);
  }
}

TEST_F(ExportLabelsTest, AnUnknownSizeIsRead) {
  AddLabeled("a", 0, domain::ImageUse::kTraining);
  labeled_[0].image.width = labeled_[0].image.height = 0;
  EXPECT_EQ(Export()["images"][0]["width"], 0);  // nor can it be read
  loader_.sizes["a.png"] = {10, 20};
  EXPECT_EQ(Export()["images"][0]["height"], 20);
}

TEST_F(ExportLabelsTest, StopsWhenNobodyListens) {
  const absl::Status status =
      ExportCoco({}, &pools_, &loader_, pool_, [](absl::string_view) { return false; });
  EXPECT_TRUE(absl::IsCancelled(status));
}

}  // namespace
}  // namespace mgral::app
