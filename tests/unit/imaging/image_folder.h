#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "opencv2/imgcodecs.hpp"
#include "server/base/errors.h"
#include "server/imaging/file_image_loader.h"

namespace mgral::imaging {

namespace fs = std::filesystem;
using domain::ImageSource;

inline void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline cv::Mat Picture(int width, int height) {
  cv::Mat mat(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      mat.at<cv::Vec3b>(y, x) = cv::Vec3b(x * 255 / width, y * 255 / height, (x * 7 + y * 13) % 64);
    }
  }
  return mat;
}

inline std::string Encode(const std::string& extension, const cv::Mat& mat,
                          const std::vector<int>& parameters = {}) {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, mat, bytes, parameters);
  return std::string(bytes.begin(), bytes.end());
}

// An image root with good images in it, and a file beside it that must stay out of reach.
class ImageFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mgral_imaging_XXXXXX";
    base_ = mkdtemp(name);
    root_ = base_ / "root";
    fs::create_directories(root_ / "sub");
    Write(root_ / "good.jpg", Encode(".jpg", Picture(200, 100)));
    Write(root_ / "good.png", Encode(".png", Picture(64, 48)));
    Write(base_ / "secret.jpg", Encode(".jpg", Picture(20, 10)));
    options_.image_root = root_.string();
    options_.max_bytes = 4 << 20;
  }
  void TearDown() override { fs::remove_all(base_); }

  static ImageSource Path(const std::string& path) { return {ImageSource::Kind::kPath, path}; }

  FileImageLoader Loader() { return FileImageLoader(options_, nullptr); }

  // Every way of looking at it refuses it, naming source.path; returns the message.
  std::string Refused(const std::string& path) {
    FileImageLoader loader = Loader();
    const absl::Status status = loader.Verify({}, Path(path)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const auto violations = base::FieldViolations(status);
    EXPECT_EQ(violations.size(), 1u);
    EXPECT_EQ(violations.empty() ? "" : violations[0].field, "source.path");
    EXPECT_FALSE(loader.Load({}, Path(path), 32).ok());
    return std::string(status.message());
  }

  fs::path base_, root_;
  ImagingOptions options_;
};

}  // namespace mgral::imaging
