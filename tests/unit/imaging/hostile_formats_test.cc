// Damaged files of every format, and files that would cost too much to decode.
#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <random>

#include "tests/support/image_files.h"
#include "tests/unit/imaging/image_folder.h"

namespace mgral::imaging {
namespace {

using test::Exif;
using test::Tiff;
using test::WithExif;

using testing::HasSubstr;

class HostileFormatsTest : public ImageFolderTest {
 protected:
  HostileFormatsTest() { options_.max_pixels = 400 * 300; }
};

std::map<std::string, std::string> GoodFiles() {
  const cv::Mat picture = Picture(64, 48);
  return {{"jpeg", WithExif(Encode(".jpg", picture), Exif(6))},
          {"progressive", Encode(".jpg", picture, {cv::IMWRITE_JPEG_PROGRESSIVE, 1})},
          {"png", WithExif(Encode(".png", picture), Exif(6))},
          {"webp", WithExif(Encode(".webp", picture), Exif(6), 64, 48)},
          {"lossless webp", Encode(".webp", picture, {cv::IMWRITE_WEBP_QUALITY, 101})},
          {"bmp", Encode(".bmp", picture)},
          {"tiff", Tiff(64, 48, std::string(64 * 48 * 3, 'x'), {{274, 3, {6}}})},
          {"LZW tiff", Encode(".tiff", picture)},
          {"Deflate tiff", Encode(".tiff", picture, {cv::IMWRITE_TIFF_COMPRESSION, 8})}};
}

TEST_F(HostileFormatsTest, RefusesATruncatedFileAtAnyLength) {
  FileImageLoader loader = Loader();
  for (const auto& [format, file] : GoodFiles()) {
    ASSERT_TRUE(loader.VerifyBytes(file, true).ok()) << format;
    for (size_t cut = 1; cut < file.size(); cut += 1 + file.size() / 150) {
      const absl::Status status =
          loader.VerifyBytes(file.substr(0, file.size() - cut), true).status();
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << format << " " << cut << ": " << status;
    }
    const absl::Status half = loader.VerifyBytes(file.substr(0, file.size() / 2), true).status();
    EXPECT_THAT(std::string(half.message()), HasSubstr("is a truncated")) << format;
  }
}

// Every mutant is an image of allowed size or an error on the field, in little time.
TEST_F(HostileFormatsTest, AnswersEveryMutant) {
  const auto begin = std::chrono::steady_clock::now();
  FileImageLoader loader = Loader();
  std::mt19937 random(1);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (const auto& [format, file] : GoodFiles()) {
    int refused = 0;
    for (int i = 0; i < 400; ++i) {
      std::string mutant = file;
      // Mostly in the header, which the first bytes are, or the last.
      const size_t head = std::min<size_t>(file.size(), 160);
      const size_t from = i % 3 == 1 ? file.size() - head : 0;
      const size_t range = i % 3 == 2 ? file.size() : head;
      for (size_t n = 1 + below(4); n > 0; --n) {
        constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
        mutant[from + below(range)] = static_cast<char>(n % 2 ? kEdges[below(5)] : below(256));
      }
      const auto pixels = loader.LoadBytes(mutant, true, i % 2 ? 0 : 20);
      if (pixels.ok()) {
        EXPECT_LE(int64_t{pixels->original_width} * pixels->original_height, options_.max_pixels);
        EXPECT_EQ(pixels->rgb.size(), size_t{3} * pixels->width * pixels->height);
      } else {
        ++refused;
        EXPECT_TRUE(absl::IsInvalidArgument(pixels.status())) << format << ": " << pixels.status();
        EXPECT_EQ(base::FieldViolations(pixels.status()).at(0).field, "source.data");
      }
    }
    EXPECT_GT(refused, 20) << format;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST_F(HostileFormatsTest, RefusesHugeImagesByTheirHeaderAlone) {
  const auto begin = std::chrono::steady_clock::now();
  FileImageLoader loader = Loader();
  const auto refused = [&](const std::string& bytes, const std::string& reason) {
    for (const bool oriented : {true, false}) {
      EXPECT_THAT(std::string(loader.VerifyBytes(bytes, oriented).status().message()),
                  HasSubstr(reason));
    }
    Write(root_ / "huge", bytes);
    EXPECT_FALSE(loader.ReadHeader({}, Path("huge")).ok());
  };
  std::string bmp = Encode(".bmp", Picture(8, 8));
  refused(std::string(bmp).replace(18, 8, std::string("\x20\x4E\0\0\x20\x4E\0\0", 8)),
          "20000 x 20000");
  refused(std::string(bmp).replace(18, 8, "\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F"), "pixels");
  refused(std::string(bmp).replace(18, 8, std::string("\x08\0\0\0\0\0\0\x80", 8)), "impossible");
  refused(std::string(bmp).replace(18, 4, "\xFF\xFF\xFF\xFF"), "impossible");
  std::string webp = WithExif(Encode(".webp", Picture(8, 8)), Exif(1), 16000, 16000);
  refused(webp, "");
  refused(Tiff(20000, 20000, "x"), "20000 x 20000");
  refused(Tiff(0x7FFFFFFF, 0x7FFFFFFF, "x", {{278, 4, {1}}}), "");
  refused(Tiff(-1, 1, "x"), "");
  std::string jpeg = Encode(".jpg", Picture(8, 8));
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  refused(jpeg.replace(frame + 5, 4, "\xFF\x00\xFF\x00", 4), "65280 x 65280");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

// The image is small, but what is decoded at once says that it is not.
TEST_F(HostileFormatsTest, RefusesATiffWithHugeTiles) {
  const std::string tiled =
      Tiff(16, 16, std::string(768, 'x'),
           {{322, 4, {1u << 16}}, {323, 4, {1u << 16}}, {324, 4, {8}}, {325, 4, {768}}});
  EXPECT_THAT(std::string(Loader().VerifyBytes(tiled, true).status().message()),
              HasSubstr("tiles of"));
}

TEST_F(HostileFormatsTest, ATiffsDirectoriesMayFormALoop) {
  std::string tiff = Tiff(4, 2, std::string(24, 'x'));
  const uint32_t directory = 32;
  // The offset of the next directory ends this one; here it is followed by the numbers of bits.
  const size_t next = directory + 2 + 12 * 10;
  tiff[next] = static_cast<char>(directory);
  EXPECT_EQ(Loader().VerifyBytes(tiff, true)->width, 4);
}

TEST_F(HostileFormatsTest, RefusesAProgressiveJpegOfTooManyScans) {
  const std::string jpeg =
      Encode(".jpg", cv::Mat(8, 8, CV_8UC1, cv::Scalar(7)), {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  // The last scan once more and once more.
  const size_t scan = jpeg.rfind("\xFF\xDA");
  const std::string last = jpeg.substr(scan, jpeg.size() - 2 - scan);
  std::string bomb = jpeg.substr(0, jpeg.size() - 2);
  for (int i = 0; i < 2000; ++i) bomb += last;
  EXPECT_FALSE(Loader().VerifyBytes(bomb + "\xFF\xD9", true).ok());
}

}  // namespace
}  // namespace mgral::imaging
