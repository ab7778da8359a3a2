#include "server/imaging/file_image_loader.h"

#include <sys/stat.h>

#include <cmath>
#include <future>

#include "server/domain/image_fault.h"
#include "tests/support/image_server.h"
#include "tests/support/temporary_artifact_store.h"
#include "tests/unit/imaging/image_folder.h"

namespace mgral::imaging {
namespace {

using FileImageLoaderTest = ImageFolderTest;

TEST_F(FileImageLoaderTest, RefusesPathsThatLeaveTheRoot) {
  EXPECT_NE(Refused("../secret.jpg").find(".."), std::string::npos);
  EXPECT_NE(Refused("sub/../../secret.jpg").find(".."), std::string::npos);
  EXPECT_NE(Refused((base_ / "secret.jpg").string()).find("absolute"), std::string::npos);
  EXPECT_NE(Refused(std::string("good.jpg\0.png", 13)).find("NUL"), std::string::npos);
  fs::create_symlink(base_ / "secret.jpg", root_ / "link.jpg");
  EXPECT_NE(Refused("link.jpg").find("leaves the image root"), std::string::npos);
  fs::create_directory_symlink(base_, root_ / "up");
  EXPECT_NE(Refused("up/secret.jpg").find("leaves the image root"), std::string::npos);
  // A sibling whose name begins like the root's.
  fs::create_directories(base_ / "root2");
  Write(base_ / "root2" / "a.jpg", Encode(".jpg", Picture(20, 10)));
  fs::create_symlink(base_ / "root2" / "a.jpg", root_ / "sibling.jpg");
  EXPECT_NE(Refused("sibling.jpg").find("leaves the image root"), std::string::npos);
}

TEST_F(FileImageLoaderTest, FollowsLinksInsideTheRoot) {
  fs::create_symlink("../good.jpg", root_ / "sub" / "relative.jpg");
  fs::create_symlink(root_ / "good.jpg", root_ / "sub" / "absolute.jpg");
  FileImageLoader loader = Loader();
  EXPECT_EQ(loader.Verify({}, Path("sub/relative.jpg"))->width, 200);
  EXPECT_EQ(loader.Verify({}, Path("sub/absolute.jpg"))->width, 200);
}

TEST_F(FileImageLoaderTest, RefusesWhatIsNoFile) {
  EXPECT_NE(Refused("missing.jpg").find("no such file"), std::string::npos);
  EXPECT_NE(Refused("sub").find("regular file"), std::string::npos);
  ASSERT_EQ(mkfifo((root_ / "pipe.jpg").c_str(), 0600), 0);
  EXPECT_NE(Refused("pipe.jpg").find("regular file"), std::string::npos);
  EXPECT_NE(Refused("").find("empty"), std::string::npos);
  options_.image_root = "";
  EXPECT_NE(Refused("good.jpg").find("image_root"), std::string::npos);
}

TEST_F(FileImageLoaderTest, AnErrorSaysWhetherTheFileOrItsPlaceIsAtFault) {
  const auto fault = [&](const std::string& path) {
    return domain::FaultOf(Loader().Verify({}, Path(path)).status());
  };
  Write(root_ / "empty.jpg", "");
  Write(root_ / "text.jpg", "no image");
  EXPECT_EQ(fault("empty.jpg"), domain::ImageFault::kContent);
  EXPECT_EQ(fault("text.jpg"), domain::ImageFault::kContent);
  EXPECT_EQ(fault("missing.jpg"), domain::ImageFault::kMissing);
  EXPECT_EQ(fault("good.jpg/below"), domain::ImageFault::kMissing);
  EXPECT_EQ(fault("sub"), domain::ImageFault::kMissing);
  fs::create_symlink(base_ / "secret.jpg", root_ / "link.jpg");
  EXPECT_EQ(fault("link.jpg"), domain::ImageFault::kMissing);
  options_.max_bytes = 10;
  EXPECT_EQ(fault("good.jpg"), domain::ImageFault::kContent);
  options_.image_root = "";
  EXPECT_EQ(fault("good.jpg"), domain::ImageFault::kConfiguration);
}

TEST_F(FileImageLoaderTest, BytesThatWereLostAreNamedByTheirHash) {
  test::TemporaryArtifactStore artifacts;
  FileImageLoader loader(ImagingOptions(), &artifacts);
  const ImageSource stored{ImageSource::Kind::kArtifact,
                           *artifacts.Put(Encode(".png", Picture(40, 30)))};
  EXPECT_EQ(loader.Verify({}, stored)->width, 40);
  const ImageSource lost{ImageSource::Kind::kArtifact, "0123abcd"};
  for (const absl::Status& status :
       {loader.ReadHeader({}, lost).status(), loader.Load({}, lost, 0).status()}) {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_NE(status.message().find("0123abcd"), absl::string_view::npos) << status;
    EXPECT_EQ(base::FieldViolations(status).at(0).field, "source.data");
  }
}

TEST_F(FileImageLoaderTest, AddressesNeedAnAllowedPrefix) {
  options_.uri_prefixes = {"http://127.0.0.1:1/images", "https://a.example/"};
  FileImageLoader loader = Loader();
  const auto refused = [&](const std::string& uri) {
    const absl::Status status = loader.Load({}, {ImageSource::Kind::kUri, uri}, 0).status();
    return status.code() == absl::StatusCode::kInvalidArgument &&
           base::FieldViolations(status).at(0).field == "source.uri";
  };
  EXPECT_TRUE(refused("file:///etc/passwd"));
  EXPECT_TRUE(refused("https://a.example.evil/x.jpg"));
  EXPECT_TRUE(refused("http://127.0.0.1:1/images/../secret"));
  EXPECT_TRUE(refused("http://127.0.0.1:1/images/%2E%2e/secret"));
  EXPECT_TRUE(refused("http://127.0.0.1:1/imagesX/a.jpg"));
  EXPECT_TRUE(refused(""));
  // Allowed, but nobody listens.
  EXPECT_EQ(loader.Load({}, {ImageSource::Kind::kUri, "http://127.0.0.1:1/images/a.jpg"}, 0)
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(FileImageLoaderTest, WhoWaitsForAnAddressKeepsNobodyFromDecoding) {
  test::ImageServer server;
  options_.uri_prefixes = {server.Uri("/")};
  options_.decoders = 1;
  FileImageLoader loader(options_, nullptr);
  const ImageSource slow = {ImageSource::Kind::kUri, server.Uri("/drip/a.jpg")};
  auto verified = std::async(std::launch::async, [&] { return loader.Verify({}, slow); });
  auto header = std::async(std::launch::async, [&] { return loader.ReadHeader({}, slow); });
  EXPECT_TRUE(server.WaitForSlow(2));
  EXPECT_EQ(loader.Verify({}, Path("good.jpg"))->width, 200);
  EXPECT_EQ(loader.ReadHeader({}, Path("good.jpg"))->width, 200);
  EXPECT_EQ(loader.VerifyBytes(Encode(".png", Picture(8, 4)), true)->width, 8);
  loader.StopFetching();
  EXPECT_TRUE(absl::IsCancelled(verified.get().status()));
  EXPECT_TRUE(absl::IsCancelled(header.get().status()));
}

TEST_F(FileImageLoaderTest, ManyCallersShareFewDecoders) {
  options_.decoders = 1;
  FileImageLoader loader(options_, nullptr);
  std::vector<std::future<absl::StatusOr<domain::ImageHeader>>> verified;
  for (int i = 0; i < 8; ++i) {
    verified.push_back(
        std::async(std::launch::async, [&] { return loader.Verify({}, Path("good.jpg")); }));
  }
  for (auto& one : verified) EXPECT_EQ(one.get()->width, 200);
}

TEST_F(FileImageLoaderTest, DecodesAndReduces) {
  FileImageLoader loader = Loader();
  const auto full = loader.Load({}, Path("good.png"), 0);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->width, 64);
  EXPECT_EQ(full->height, 48);
  const cv::Mat expected = Picture(64, 48);
  const cv::Vec3b bgr = expected.at<cv::Vec3b>(10, 20);
  const uint8_t* rgb = &full->rgb[3 * (10 * 64 + 20)];
  EXPECT_EQ(rgb[0], bgr[2]);
  EXPECT_EQ(rgb[1], bgr[1]);
  EXPECT_EQ(rgb[2], bgr[0]);
  for (const int side : {150, 100, 99, 50, 31, 25, 3, 1}) {
    const auto reduced = loader.Load({}, Path("good.jpg"), side);
    ASSERT_TRUE(reduced.ok()) << reduced.status();
    EXPECT_EQ(reduced->width, side);
    EXPECT_EQ(reduced->height, std::max(1, static_cast<int>(std::lround(side / 2.0))));
    EXPECT_EQ(reduced->original_width, 200);
    EXPECT_EQ(reduced->original_height, 100);
    EXPECT_EQ(reduced->rgb.size(), 3u * reduced->width * reduced->height);
  }
  EXPECT_EQ(loader.Load({}, Path("good.jpg"), 1000)->width, 200) << "never enlarged";
}

TEST_F(FileImageLoaderTest, ConvertsGrayAlphaAnd16Bits) {
  FileImageLoader loader = Loader();
  cv::Mat gray(8, 8, CV_8UC1, cv::Scalar(77));
  for (const char* extension : {".png", ".jpg"}) {
    const auto pixels = loader.LoadBytes(Encode(extension, gray), true, 0);
    ASSERT_TRUE(pixels.ok()) << pixels.status();
    EXPECT_NEAR(pixels->rgb[0], 77, 1);
    EXPECT_NEAR(pixels->rgb[2], 77, 1);
  }
  cv::Mat alpha(8, 8, CV_8UC4, cv::Scalar(10, 20, 30, 0));
  const auto with_alpha = loader.LoadBytes(Encode(".png", alpha), true, 0);
  ASSERT_TRUE(with_alpha.ok());
  EXPECT_EQ(with_alpha->rgb[0], 30);
  EXPECT_EQ(with_alpha->rgb[2], 10);
  cv::Mat deep(8, 8, CV_16UC3, cv::Scalar(0x1000, 0x2000, 0x3000));
  const auto cut = loader.LoadBytes(Encode(".png", deep), true, 0);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->rgb[0], 0x30);
}

}  // namespace
}  // namespace mgral::imaging
