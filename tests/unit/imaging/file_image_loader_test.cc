#include "server/imaging/file_image_loader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"
#include "server/base/errors.h"
#include "tests/support/image_server.h"
#include "tests/support/temporary_artifact_store.h"

namespace mgral::imaging {
namespace {

namespace fs = std::filesystem;
using domain::ImageSource;

void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

cv::Mat Picture(int width, int height) {
  cv::Mat mat(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      mat.at<cv::Vec3b>(y, x) = cv::Vec3b(x * 255 / width, y * 255 / height, (x * 7 + y * 13) % 64);
    }
  }
  return mat;
}

std::string Encode(const std::string& extension, const cv::Mat& mat,
                   const std::vector<int>& parameters = {}) {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, mat, bytes, parameters);
  return std::string(bytes.begin(), bytes.end());
}

void AppendBigEndian(std::string* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

std::string Chunk(const std::string& type, const std::string& data) {
  std::string out;
  AppendBigEndian(&out, data.size());
  const std::string body = type + data;
  out += body;
  AppendBigEndian(&out, crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size()));
  return out;
}

// A PNG that says it is width x height, with `idat` for its data.
std::string FakePng(uint32_t width, uint32_t height, const std::string& idat) {
  std::string header;
  AppendBigEndian(&header, width);
  AppendBigEndian(&header, height);
  header += std::string("\x08\x02\x00\x00\x00", 5);
  return std::string("\x89PNG\r\n\x1a\n", 8) + Chunk("IHDR", header) + Chunk("IDAT", idat) +
         Chunk("IEND", "");
}

std::string Deflate(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(&out[0]), &size, reinterpret_cast<const Bytef*>(raw.data()),
            raw.size(), 9);
  out.resize(size);
  return out;
}

class FileImageLoaderTest : public testing::Test {
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

TEST_F(FileImageLoaderTest, RefusesWhatIsNoImage) {
  Write(root_ / "empty.jpg", "");
  EXPECT_NE(Refused("empty.jpg").find("empty"), std::string::npos);
  Write(root_ / "text.jpg", "this is not an image\n");
  EXPECT_NE(Refused("text.jpg").find("no JPEG or PNG"), std::string::npos);
  Write(root_ / "start.jpg", "\xFF\xD8");
  Refused("start.jpg");
  Write(root_ / "start.png", std::string("\x89PNG\r\n\x1a\n", 8));
  Refused("start.png");
}

TEST_F(FileImageLoaderTest, RefusesTruncatedFilesAtAnyLength) {
  const std::string jpeg = Encode(".jpg", Picture(200, 100));
  const std::string png = Encode(".png", Picture(64, 48));
  FileImageLoader loader = Loader();
  // The last two bytes of a JPEG are its end marker.
  for (size_t cut = 1; cut < jpeg.size(); cut += 37) {
    EXPECT_FALSE(loader.VerifyBytes(jpeg.substr(0, jpeg.size() - cut)).ok()) << cut;
  }
  for (size_t cut = 1; cut < png.size(); cut += 37) {
    EXPECT_FALSE(loader.VerifyBytes(png.substr(0, png.size() - cut)).ok()) << cut;
  }
  const absl::Status status = loader.VerifyBytes(jpeg.substr(0, jpeg.size() / 2)).status();
  EXPECT_EQ(base::FieldViolations(status).at(0).field, "source.data");
  Write(root_ / "cut.jpg", jpeg.substr(0, jpeg.size() / 2));
  EXPECT_NE(Refused("cut.jpg").find("truncated"), std::string::npos);
  Write(root_ / "cut.png", png.substr(0, png.size() / 2));
  EXPECT_NE(Refused("cut.png").find("truncated"), std::string::npos);
}

TEST_F(FileImageLoaderTest, RefusesACorruptPng) {
  std::string png = Encode(".png", Picture(64, 48));
  png[png.size() / 2] ^= 0x55;
  Write(root_ / "corrupt.png", png);
  EXPECT_NE(Refused("corrupt.png").find("checksum"), std::string::npos);
  // Chunks are sound, the compressed rows are too few.
  Write(root_ / "short.png", FakePng(64, 64, Deflate(std::string(10 * (64 * 3 + 1), '\0'))));
  Refused("short.png");
}

TEST_F(FileImageLoaderTest, RefusesHugeImagesByTheirHeaderAlone) {
  const auto begin = std::chrono::steady_clock::now();
  Write(root_ / "huge.png", FakePng(20000, 20000, "x"));
  EXPECT_NE(Refused("huge.png").find("20000 x 20000"), std::string::npos);
  Write(root_ / "most.png", FakePng(0x7FFFFFFF, 0x7FFFFFFF, "x"));
  EXPECT_NE(Refused("most.png").find("pixels"), std::string::npos);
  Write(root_ / "overflow.png", FakePng(0xFFFFFFFF, 1, "x"));
  EXPECT_NE(Refused("overflow.png").find("impossible"), std::string::npos);
  EXPECT_FALSE(Loader().ReadHeader({}, Path("huge.png")).ok());
  // A real bomb: 30 MB of zeros in 30 kB, whose header is over the limit.
  options_.max_pixels = 1'000'000;
  Write(root_ / "bomb.png", FakePng(3200, 3200, Deflate(std::string(3200 * 9601, '\0'))));
  EXPECT_LT(fs::file_size(root_ / "bomb.png"), 100'000u);
  EXPECT_NE(Refused("bomb.png").find("pixels"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(FileImageLoaderTest, RefusesFilesThatAreTooLong) {
  options_.max_bytes = 1000;
  Write(root_ / "long.jpg", std::string(1001, 'x'));
  EXPECT_NE(Refused("long.jpg").find("1001 bytes"), std::string::npos);
  EXPECT_FALSE(Loader().VerifyBytes(std::string(1001, 'x')).ok());
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
  EXPECT_EQ(loader.VerifyBytes(Encode(".png", Picture(8, 4)))->width, 8);
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

TEST_F(FileImageLoaderTest, ConvertsGreyAlphaAnd16Bits) {
  FileImageLoader loader = Loader();
  cv::Mat grey(8, 8, CV_8UC1, cv::Scalar(77));
  for (const char* extension : {".png", ".jpg"}) {
    const auto pixels = loader.LoadBytes(Encode(extension, grey), 0);
    ASSERT_TRUE(pixels.ok()) << pixels.status();
    EXPECT_NEAR(pixels->rgb[0], 77, 1);
    EXPECT_NEAR(pixels->rgb[2], 77, 1);
  }
  cv::Mat alpha(8, 8, CV_8UC4, cv::Scalar(10, 20, 30, 0));
  const auto with_alpha = loader.LoadBytes(Encode(".png", alpha), 0);
  ASSERT_TRUE(with_alpha.ok());
  EXPECT_EQ(with_alpha->rgb[0], 30);
  EXPECT_EQ(with_alpha->rgb[2], 10);
  cv::Mat deep(8, 8, CV_16UC3, cv::Scalar(0x1000, 0x2000, 0x3000));
  const auto cut = loader.LoadBytes(Encode(".png", deep), 0);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->rgb[0], 0x30);
}

}  // namespace
}  // namespace mgral::imaging
