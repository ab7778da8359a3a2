// Real detector output against an independent routine's results.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "server/core/evaluation/average_precision.h"

namespace mgral::core {
namespace {

using nlohmann::json;

std::string DataFolder() {
  if (const char* data = std::getenv("MGRAL_TEST_DATA")) return data;
  const char* source = std::getenv("MGRAL_SOURCE_DIR");
  return std::string(source != nullptr ? source : ".") + "/../shared/data";
}

class MapFixture : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = DataFolder() + "/mapfixture";
    if (!std::ifstream(folder + "/expected.json").good()) {
      GTEST_SKIP() << "NOT TESTED: " << folder << " is missing; set MGRAL_TEST_DATA";
    }
    expected_ = json::parse(std::ifstream(folder + "/expected.json"));
    const json boxes = json::parse(std::ifstream(folder + "/original_coordinates.json"));
    const json labels = json::parse(std::ifstream(folder + "/annotations.json"));
    for (const json& c : labels["categories"]) {
      const int32_t index = static_cast<int32_t>(names_.size());
      category_[c["id"]] = index;
      names_.push_back(c["name"]);
    }
    std::map<int64_t, size_t> image;  // in file name order, as the reference goes
    std::map<std::string, int64_t> by_name;
    for (const json& i : labels["images"]) by_name[i["file_name"]] = i["id"];
    for (const auto& [name, id] : by_name) image.emplace(id, image.size());
    images_.resize(image.size());
    for (const json& t : boxes["ground_truth"]) {
      const std::vector<double> b = t["bbox_xyxy"];
      images_[image.at(t["image_id"])].truth.push_back(
          {b[0], b[1], b[2], b[3], category_.at(t["category_id"])});
    }
    for (const json& d : boxes["detections"]) {
      const std::vector<double> b = d["bbox_xyxy"];
      images_[image.at(d["image_id"])].found.push_back(
          {b[0], b[1], b[2], b[3], category_.at(d["category_id"]), d["score"]});
    }
  }

  void Compare(const std::string& key, const ApOptions& options) const {
    const auto classes = AveragePrecision(images_, static_cast<int64_t>(names_.size()), options);
    EXPECT_NEAR(MeanAp(classes), expected_[key]["map50"].get<double>(), 1e-6);
    for (const auto& [name, value] : expected_[key]["classes"].items()) {
      const auto found = std::find(names_.begin(), names_.end(), name);
      ASSERT_NE(found, names_.end()) << name;
      const ClassAp& c = classes[found - names_.begin()];
      EXPECT_NEAR(c.ap, value["ap"].get<double>(), 1e-6) << name;
      EXPECT_EQ(c.positives, value["positives"].get<int64_t>()) << name;
      EXPECT_EQ(c.detections, value["detections"].get<int64_t>()) << name;
      EXPECT_EQ(c.true_positives, value["tp"].get<int64_t>()) << name;
    }
  }

  json expected_;
  std::map<int64_t, int32_t> category_;
  std::vector<std::string> names_;
  std::vector<ImageResult> images_;
};

TEST_F(MapFixture, Inclusive) {
  ApOptions options;
  options.inclusive = true;
  Compare("voc_area_inclusive_plus1", options);
}

TEST_F(MapFixture, Continuous) { Compare("voc_area_continuous", ApOptions()); }

TEST_F(MapFixture, Continuous75) {
  ApOptions options;
  options.iou_threshold = 0.75;
  Compare("voc_area_continuous_iou75", options);
}

}  // namespace
}  // namespace mgral::core
