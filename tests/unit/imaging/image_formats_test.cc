// What each format may hold, and which way up it is.
#include <gmock/gmock.h>

#include <map>

#include "opencv2/imgproc.hpp"
#include "tests/support/image_files.h"
#include "tests/unit/imaging/image_folder.h"

namespace mgral::imaging {
namespace {

using test::CmykJpeg;
using test::Exif;
using test::Tiff;
using test::WithExif;

using testing::HasSubstr;

constexpr int kLossless = 101;  // quality of a WebP

class ImageFormatsTest : public ImageFolderTest {
 protected:
  domain::Pixels Load(const std::string& bytes, bool oriented = true, int max_side = 0) {
    const auto pixels = Loader().LoadBytes(bytes, oriented, max_side);
    EXPECT_TRUE(pixels.ok()) << pixels.status();
    return pixels.ok() ? *pixels : domain::Pixels();
  }
  std::string Refusal(const std::string& bytes) {
    const absl::Status status = Loader().VerifyBytes(bytes, true).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }
};

// RGB, rows from the top.
std::string Rgb(const cv::Mat& bgr) {
  cv::Mat rgb;
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return std::string(reinterpret_cast<const char*>(rgb.data), rgb.total() * 3);
}

std::string Text(const domain::Pixels& pixels) {
  return std::string(pixels.rgb.begin(), pixels.rgb.end());
}

// The picture as it must be stored to be upright once `orientation` is applied.
cv::Mat Stored(const cv::Mat& upright, int orientation) {
  cv::Mat out = upright.clone();
  switch (orientation) {
    case 2:
      cv::flip(upright, out, 1);
      break;
    case 3:
      cv::rotate(upright, out, cv::ROTATE_180);
      break;
    case 4:
      cv::flip(upright, out, 0);
      break;
    case 5:
      cv::transpose(upright, out);
      break;
    case 6:
      cv::rotate(upright, out, cv::ROTATE_90_COUNTERCLOCKWISE);
      break;
    case 7:
      cv::rotate(upright, out, cv::ROTATE_180);
      cv::transpose(out, out);
      break;
    case 8:
      cv::rotate(upright, out, cv::ROTATE_90_CLOCKWISE);
      break;
    default:
      break;
  }
  return out;
}

// One picture in every lossless format that has a place for an orientation.
std::map<std::string, std::string> Lossless(const cv::Mat& mat, int orientation) {
  const std::string exif = Exif(orientation);
  return {{"png", WithExif(Encode(".png", mat), exif)},
          {"webp", WithExif(Encode(".webp", mat, {cv::IMWRITE_WEBP_QUALITY, kLossless}), exif,
                            mat.cols, mat.rows)},
          {"tiff",
           Tiff(mat.cols, mat.rows, Rgb(mat), {{274, 3, {static_cast<uint32_t>(orientation)}}})}};
}

TEST_F(ImageFormatsTest, EachOrientationGivesTheUprightPicture) {
  const cv::Mat upright = Picture(37, 21);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const cv::Mat stored = Stored(upright, orientation);
    for (const auto& [format, file] : Lossless(stored, orientation)) {
      SCOPED_TRACE(format + " " + std::to_string(orientation));
      EXPECT_EQ(Text(Load(file)), Rgb(upright));
      EXPECT_EQ(Text(Load(file, false)), Rgb(stored)) << "as stored";
      const auto small = Load(file, true, 20);
      EXPECT_EQ(small.width, 20);
      EXPECT_EQ(small.height, 11);
      EXPECT_EQ(small.original_width, 37);
      EXPECT_EQ(small.original_height, 21);
      EXPECT_EQ(Loader().VerifyBytes(file, true)->width, 37);
      EXPECT_EQ(Loader().VerifyBytes(file, false)->width, stored.cols);
    }
  }
}

TEST_F(ImageFormatsTest, AnOrientedJpegIsTheStoredOneTurned) {
  const cv::Mat upright = Picture(48, 32);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string jpeg =
        WithExif(Encode(".jpg", Stored(upright, orientation)), Exif(orientation));
    for (const int side : {0, 24, 10}) {
      const auto turned = Load(jpeg, true, side);
      domain::Pixels stored = Load(jpeg, false, side);
      const cv::Mat mat(stored.height, stored.width, CV_8UC3, stored.rgb.data());
      // Turning forth and back are the same but for 6 and 8.
      const int back = orientation == 6 ? 8 : orientation == 8 ? 6 : orientation;
      const cv::Mat expected = Stored(mat, back);
      ASSERT_EQ(turned.width, expected.cols) << orientation;
      EXPECT_EQ(Text(turned),
                std::string(reinterpret_cast<const char*>(expected.data), expected.total() * 3))
          << orientation << " " << side;
    }
  }
}

TEST_F(ImageFormatsTest, AFilesSizeIsThatOfItsPoolsConvention) {
  Write(root_ / "turned.jpg", WithExif(Encode(".jpg", Picture(48, 32)), Exif(6)));
  FileImageLoader loader = Loader();
  ImageSource source = Path("turned.jpg");
  EXPECT_EQ(loader.ReadHeader({}, source)->width, 48);
  EXPECT_EQ(loader.Verify({}, source)->width, 48);
  source.oriented = true;
  EXPECT_EQ(loader.ReadHeader({}, source)->width, 32);
  EXPECT_EQ(loader.ReadHeader({}, source)->height, 48);
  EXPECT_EQ(loader.Verify({}, source)->width, 32);
  EXPECT_EQ(loader.Load({}, source, 24)->height, 24);
  EXPECT_EQ(loader.LoadInTurn({}, source, 0)->original_width, 32);
}

TEST_F(ImageFormatsTest, ExifThatMakesNoSenseTurnsNothing) {
  const std::string jpeg = Encode(".jpg", Picture(48, 32));
  std::vector<std::string> nonsense = {Exif(0), Exif(9), Exif(0xFFFF), "", "MM", "nonsense"};
  const std::string good = Exif(6);
  for (size_t size = 0; size < good.size() - 6; ++size) nonsense.push_back(good.substr(0, size));
  nonsense.push_back(good.substr(0, 4) + "\xFF\xFF\xFF\xFF" + good.substr(8));     // directory
  nonsense.push_back(std::string(good).replace(12, 2, std::string("\0\x04", 2)));  // type
  nonsense.push_back(std::string(good).replace(17, 1, "\x02"));                    // count
  for (const std::string& exif : nonsense) {
    EXPECT_EQ(Load(WithExif(jpeg, exif)).width, 48);
    EXPECT_EQ(Load(WithExif(Encode(".png", Picture(48, 32)), exif)).width, 48);
  }
  EXPECT_EQ(Load(WithExif(jpeg, std::string(good).replace(8, 2, "\xFF\xFF"))).width, 32)
      << "more entries than there are";
  EXPECT_EQ(Load(Tiff(4, 2, std::string(24, 'x'), {{274, 3, {0}}})).width, 4);
}

TEST_F(ImageFormatsTest, ReadsEveryFormatByItsContent) {
  const cv::Mat picture = Picture(40, 30);
  for (const char* extension : {".png", ".bmp", ".tiff"}) {
    EXPECT_EQ(Text(Load(Encode(extension, picture))), Rgb(picture)) << extension;
  }
  EXPECT_EQ(Text(Load(Encode(".webp", picture, {cv::IMWRITE_WEBP_QUALITY, kLossless}))),
            Rgb(picture));
  EXPECT_EQ(Load(Encode(".webp", picture, {cv::IMWRITE_WEBP_QUALITY, 80})).height, 30);
  Write(root_ / "misnamed.jpg", Encode(".bmp", picture));
  EXPECT_EQ(Loader().Verify({}, Path("misnamed.jpg"))->width, 40);
}

TEST_F(ImageFormatsTest, ABmpMayBeginAtTheTop) {
  const cv::Mat picture = Picture(16, 10);
  cv::Mat flipped;
  cv::flip(picture, flipped, 0);
  std::string bmp = Encode(".bmp", flipped);
  bmp.replace(22, 4, std::string("\xF6\xFF\xFF\xFF", 4));  // -10
  EXPECT_EQ(Text(Load(bmp)), Rgb(picture));
  EXPECT_EQ(Loader().VerifyBytes(bmp, true)->height, 10);
}

TEST_F(ImageFormatsTest, ConvertsWhatIsNot8BitRgb) {
  const std::string gray16("\x10\xFF\x20\x00\x30\x80\x40\x7F", 8);  // big end first as read below
  const std::string little("\xFF\x10\x00\x20\x80\x30\x7F\x40", 8);
  const auto gray = Load(Tiff(2, 2, little, {{258, 3, {16}}, {262, 3, {1}}, {277, 3, {1}}}));
  EXPECT_EQ(Text(gray), "\x10\x10\x10\x20\x20\x20\x30\x30\x30\x40\x40\x40") << gray16.size();
  const std::string deep("\xFF\x10\xFF\x20\xFF\x30", 6);
  const auto rgb = Load(Tiff(1, 1, deep, {{258, 3, {16, 16, 16}}}));
  EXPECT_NEAR(rgb.rgb[0], 0x10, 1);
  EXPECT_NEAR(rgb.rgb[2], 0x30, 1);
  const auto alpha = Load(Tiff(1, 1, std::string("\x10\x20\x30\0", 4),
                               {{258, 3, {8, 8, 8, 8}}, {277, 3, {4}}, {338, 3, {2}}}));
  EXPECT_EQ(Text(alpha), "\x10\x20\x30") << "transparency is dropped, not multiplied";
  const auto cmyk = Load(Tiff(1, 1, std::string("\x00\x80\xFF\x00", 4),
                              {{258, 3, {8, 8, 8, 8}}, {262, 3, {5}}, {277, 3, {4}}}));
  EXPECT_EQ(Text(cmyk), std::string("\xFF\x7F\x00", 3));
}

TEST_F(ImageFormatsTest, ACmykJpegHasTheColorsOfAdobesConvention) {
  const cv::Mat ink(16, 16, CV_8UC4, cv::Scalar(255, 128, 0, 200));
  const auto pixels = Load(CmykJpeg(ink));
  EXPECT_NEAR(pixels.rgb[0], 200, 2);
  EXPECT_NEAR(pixels.rgb[1], 128 * 200 / 255, 2);
  EXPECT_NEAR(pixels.rgb[2], 0, 2);
}

TEST_F(ImageFormatsTest, NamesWhatItDoesNotRead) {
  const std::string pixels(16, '\0');
  EXPECT_THAT(Refusal(Tiff(2, 2, pixels, {{259, 3, {34925}}})), HasSubstr("compression 34925"));
  EXPECT_THAT(Refusal(Tiff(2, 2, pixels, {{262, 3, {8}}})), HasSubstr("color space 8"));
  EXPECT_THAT(
      Refusal(Tiff(2, 2, pixels, {{258, 3, {32}}, {262, 3, {1}}, {277, 3, {1}}, {339, 3, {3}}})),
      HasSubstr("floating-point"));
  EXPECT_THAT(Refusal(Tiff(2, 2, pixels, {{258, 3, {32}}, {262, 3, {1}}, {277, 3, {1}}})),
              HasSubstr("32-bit samples"));
  const std::vector<uint32_t> eights(6, 8);
  EXPECT_THAT(Refusal(Tiff(1, 2, pixels, {{258, 3, eights}, {277, 3, {6}}})),
              HasSubstr("6 channels"));
  std::string bmp = Encode(".bmp", Picture(8, 8));
  bmp[30] = 4;  // a JPEG within it
  EXPECT_THAT(Refusal(bmp), HasSubstr("compression 4"));
  std::string animated = WithExif(Encode(".webp", Picture(8, 8)), Exif(1), 8, 8);
  animated[20] = 0x0A;
  EXPECT_THAT(Refusal(animated), HasSubstr("animated"));
  EXPECT_THAT(Refusal("GIF89a and so on"), HasSubstr("JPEG, PNG, WebP, BMP or TIFF"));
}

TEST_F(ImageFormatsTest, AHarmlessWarningBecomesANote) {
  const std::string good = Encode(".jpg", Picture(48, 32));
  EXPECT_EQ(Loader().VerifyBytes(good, true)->note, "");
  const std::string padded = good.substr(0, good.size() - 2) + std::string(5, 'x') + "\xFF\xD9";
  const auto noted = Loader().VerifyBytes(padded, true);
  ASSERT_TRUE(noted.ok()) << noted.status();
  EXPECT_THAT(noted->note, HasSubstr("extraneous bytes before marker 0xd9"));
  EXPECT_EQ(Text(Load(padded)), Text(Load(good)));
  // Before the frame the header shows it already.
  Write(root_ / "padded.jpg", good.substr(0, 2) + "xxx" + good.substr(2));
  const auto header = Loader().ReadHeader({}, Path("padded.jpg"));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(header->note, HasSubstr("3 extraneous bytes"));
  EXPECT_EQ(header->width, 48);
  // After the end nobody looks: cameras put previews there.
  EXPECT_EQ(Loader().VerifyBytes(good + "trailer", true)->note, "");
}

TEST_F(ImageFormatsTest, OfSeveralPagesTheFirstIsUsedAndThatIsNoted) {
  const cv::Mat picture = Picture(6, 4);
  EXPECT_EQ(Loader().VerifyBytes(Tiff(6, 4, Rgb(picture)), true)->note, "");
  const auto noted = Loader().VerifyBytes(Tiff(6, 4, Rgb(picture), {}, 3), true);
  ASSERT_TRUE(noted.ok()) << noted.status();
  EXPECT_THAT(noted->note, HasSubstr("first is used"));
}

}  // namespace
}  // namespace mgral::imaging
