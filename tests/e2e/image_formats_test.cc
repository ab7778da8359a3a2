// Images as they come: turned by EXIF, of several formats, with something to note.
#include "opencv2/imgcodecs.hpp"
#include "tests/e2e/api.h"
#include "tests/support/image_files.h"

namespace mgral::test {
namespace {

using ImageFormatsApiTest = ApiTest;

std::string Encode(const std::string& extension, int width, int height) {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, cv::Mat(height, width, CV_8UC3, cv::Scalar(10, 20, 30)), bytes);
  return std::string(bytes.begin(), bytes.end());
}

v1::NewImage DataImage(const std::string& image_id, const std::string& bytes) {
  v1::NewImage image;
  image.set_image_id(image_id);
  image.mutable_source()->set_data(bytes);
  return image;
}

TEST_F(ImageFormatsApiTest, BoxesAreInTheFrameThatThePoolSays) {
  const std::string jpeg = WithExif(Encode(".jpg", 40, 20), Exif(6));
  for (const auto orientation : {v1::IMAGE_ORIENTATION_EXIF, v1::IMAGE_ORIENTATION_STORED}) {
    const bool turned = orientation == v1::IMAGE_ORIENTATION_EXIF;
    v1::CreatePoolRequest create;
    create.set_pool_id(turned ? "orientation-exif" : "orientation-stored");
    create.mutable_pool()->add_classes("cat");
    create.mutable_pool()->set_image_orientation(orientation);
    v1::Pool pool;
    grpc::ClientContext context;
    ASSERT_TRUE(api_.pools->CreatePool(&context, create, &pool).ok());
    EXPECT_EQ(GetPool(pool.name()).image_orientation(), orientation);
    ASSERT_TRUE(Register(pool.name(), {DataImage("photo", jpeg)}).ok());
    EXPECT_EQ(ListImages(pool.name()).at(0).width(), turned ? 20 : 40);
    const auto fits = LabelsOf("photo", 0, 0, turned ? 20 : 40, turned ? 40 : 20);
    ExpectRefused(
        Ingest(pool.name(), {LabelsOf("photo", 0, 0, turned ? 40 : 20, turned ? 20 : 40)}),
        grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD",
        turned ? "labels[0].boxes[0].width" : "labels[0].boxes[0].height");
    EXPECT_TRUE(Ingest(pool.name(), {fits}).ok());
  }
}

TEST_F(ImageFormatsApiTest, APoolSaysThatItsImagesAreTurned) {
  EXPECT_EQ(GetPool(MakePool()).image_orientation(), v1::IMAGE_ORIENTATION_EXIF);
}

TEST_F(ImageFormatsApiTest, EveryFormatIsRegisteredAndNotedOrRefusedByName) {
  const std::string pool = MakePool();
  const std::string jpeg = Encode(".jpg", 40, 20);
  const std::string padded = jpeg.substr(0, 2) + "xxx" + jpeg.substr(2);
  ASSERT_TRUE(
      Register(pool, {DataImage("bmp", Encode(".bmp", 40, 20)),
                      DataImage("tiff", Encode(".tiff", 40, 20)),
                      DataImage("webp", Encode(".webp", 40, 20)), DataImage("padded", padded)})
          .ok());
  for (const v1::Image& image : ListImages(pool)) {
    EXPECT_EQ(image.width(), 40) << image.image_id();
    EXPECT_EQ(image.note().empty(), image.image_id() != "padded") << image.note();
  }
  ExpectRefused(Register(pool, {DataImage("cut", jpeg.substr(0, jpeg.size() / 2))}),
                grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "images[0].source.data",
                "is a truncated JPEG");
  ExpectRefused(Register(pool, {DataImage("gif", "GIF89a")}), grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD", "images[0].source.data", "JPEG, PNG, WebP, BMP or TIFF");
  EXPECT_EQ(ListImages(pool).size(), 4u);
}

}  // namespace
}  // namespace mgral::test
