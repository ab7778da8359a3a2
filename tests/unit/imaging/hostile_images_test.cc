// Files that are no images, or would cost too much to decode.
#include <zlib.h>

#include <chrono>

#include "tests/support/image_files.h"
#include "tests/unit/imaging/image_folder.h"

namespace mgral::imaging {
namespace {

using test::PngChunk;

using HostileImagesTest = ImageFolderTest;

void AppendBigEndian(std::string* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

// A PNG that says it is width x height, with `idat` for its data.
std::string FakePng(uint32_t width, uint32_t height, const std::string& idat) {
  std::string header;
  AppendBigEndian(&header, width);
  AppendBigEndian(&header, height);
  header += std::string("\x08\x02\x00\x00\x00", 5);
  return std::string("\x89PNG\r\n\x1a\n", 8) + PngChunk("IHDR", header) + PngChunk("IDAT", idat) +
         PngChunk("IEND", "");
}

std::string Deflate(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(&out[0]), &size, reinterpret_cast<const Bytef*>(raw.data()),
            raw.size(), 9);
  out.resize(size);
  return out;
}

TEST_F(HostileImagesTest, RefusesWhatIsNoImage) {
  Write(root_ / "empty.jpg", "");
  EXPECT_NE(Refused("empty.jpg").find("empty"), std::string::npos);
  Write(root_ / "text.jpg", "this is not an image\n");
  EXPECT_NE(Refused("text.jpg").find("is not a JPEG, PNG, WebP, BMP or TIFF"), std::string::npos);
  Write(root_ / "start.jpg", "\xFF\xD8");
  Refused("start.jpg");
  Write(root_ / "start.png", std::string("\x89PNG\r\n\x1a\n", 8));
  Refused("start.png");
}

TEST_F(HostileImagesTest, RefusesTruncatedFilesAtAnyLength) {
  const std::string jpeg = Encode(".jpg", Picture(200, 100));
  const std::string png = Encode(".png", Picture(64, 48));
  FileImageLoader loader = Loader();
  // The last two bytes of a JPEG are its end marker.
  for (size_t cut = 1; cut < jpeg.size(); cut += 37) {
    EXPECT_FALSE(loader.VerifyBytes(jpeg.substr(0, jpeg.size() - cut), true).ok()) << cut;
  }
  for (size_t cut = 1; cut < png.size(); cut += 37) {
    EXPECT_FALSE(loader.VerifyBytes(png.substr(0, png.size() - cut), true).ok()) << cut;
  }
  const absl::Status status = loader.VerifyBytes(jpeg.substr(0, jpeg.size() / 2), true).status();
  EXPECT_EQ(base::FieldViolations(status).at(0).field, "source.data");
  Write(root_ / "cut.jpg", jpeg.substr(0, jpeg.size() / 2));
  EXPECT_NE(Refused("cut.jpg").find("truncated"), std::string::npos);
  Write(root_ / "cut.png", png.substr(0, png.size() / 2));
  EXPECT_NE(Refused("cut.png").find("truncated"), std::string::npos);
}

// Reducing skips arithmetic, not a byte of the file.
TEST_F(HostileImagesTest, FindsTheSameDamageInAnImageThatItReduces) {
  options_.max_pixels = 400 * 300;  // some damage is of the size
  FileImageLoader loader = Loader();
  for (const int progressive : {0, 1}) {
    const std::string jpeg =
        Encode(".jpg", Picture(400, 300), {cv::IMWRITE_JPEG_PROGRESSIVE, progressive});
    int damaged = 0;
    for (size_t at = 2; at < jpeg.size(); at += 29) {
      std::string changed = jpeg;
      changed[at] ^= 0x55;
      const absl::StatusOr<domain::Pixels> full = loader.LoadBytes(changed, true, 0);
      for (const int side : {200, 100, 50}) {
        EXPECT_EQ(loader.LoadBytes(changed, true, side).status(), full.status())
            << at << " " << side;
      }
      damaged += full.ok() ? 0 : 1;
    }
    EXPECT_GT(damaged, 20);
  }
}

TEST_F(HostileImagesTest, RefusesACorruptPng) {
  std::string png = Encode(".png", Picture(64, 48));
  png[png.size() / 2] ^= 0x55;
  Write(root_ / "corrupt.png", png);
  EXPECT_NE(Refused("corrupt.png").find("checksum"), std::string::npos);
  // The chunks are valid, but the compressed rows are too few.
  Write(root_ / "short.png", FakePng(64, 64, Deflate(std::string(10 * (64 * 3 + 1), '\0'))));
  Refused("short.png");
}

TEST_F(HostileImagesTest, RefusesHugeImagesByTheirHeaderAlone) {
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

TEST_F(HostileImagesTest, RefusesFilesThatAreTooLong) {
  options_.max_bytes = 1000;
  Write(root_ / "long.jpg", std::string(1001, 'x'));
  EXPECT_NE(Refused("long.jpg").find("1001 bytes"), std::string::npos);
  EXPECT_FALSE(Loader().VerifyBytes(std::string(1001, 'x'), true).ok());
}

}  // namespace
}  // namespace mgral::imaging
