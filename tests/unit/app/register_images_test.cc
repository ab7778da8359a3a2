#include "server/app/register_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/errors.h"
#include "tests/support/fake_image_loader.h"
#include "tests/support/fake_pool_store.h"
#include "tests/support/temporary_artifact_store.h"

namespace mgral::app {
namespace {

using Kind = domain::ImageSource::Kind;

ImageInput Path(const std::string& image_id, const std::string& path) {
  ImageInput image;
  image.image_id = image_id;
  image.given = ImageInput::Given::kPath;
  image.location = path;
  return image;
}

ImageInput Data(const std::string& image_id, absl::string_view data) {
  ImageInput image;
  image.image_id = image_id;
  image.given = ImageInput::Given::kData;
  image.data = data;
  return image;
}

class RegisterImagesTest : public ::testing::Test {
 protected:
  RegisterImagesTest() {
    for (const char* name : {"a.png", "b.png", "c.png"}) loader_.sizes[name] = {40, 30};
  }
  std::string Fields(const absl::Status& status) {
    std::string text;
    for (const auto& violation : base::FieldViolations(status)) text += violation.field + ";";
    return text;
  }
  test::FakePoolStore pools_;
  test::FakeImageLoader loader_;
  test::TemporaryArtifactStore artifacts_;
  RegisterImages register_{&pools_, &loader_, &artifacts_, 2};
};

TEST_F(RegisterImagesTest, OneBadImageKeepsAllOut) {
  const std::vector<ImageInput> images = {Path("a", "a.png"), Path("x", "broken.png"),
                                          Path("y", "../b.png"), Data("z", "no image")};
  const auto result = register_.RegisterAll({}, 1, images, Verification::kDecode, {});
  EXPECT_EQ(Fields(result.status()),
            "images[1].source.path;images[2].source.path;images[3].source.data;");
  EXPECT_TRUE(pools_.images.empty());
  EXPECT_EQ(artifacts_.Count(), 0u);
  EXPECT_EQ(pools_.register_calls, 0);
}

TEST_F(RegisterImagesTest, StoresSizesAndBytes) {
  loader_.sizes["pixels"] = {7, 5};
  const std::vector<ImageInput> images = {Path("a", "a.png"), Data("z", "pixels")};
  const auto result =
      register_.RegisterAll({}, 1, images, Verification::kDecode, {"m", "request", "f"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->registered, 2);
  EXPECT_EQ(pools_.images["a"].width, 40);
  EXPECT_EQ(pools_.images["z"].height, 5);
  EXPECT_EQ(pools_.images["z"].source.kind, Kind::kArtifact);
  EXPECT_EQ(*artifacts_.Get(pools_.images["z"].source.location), "pixels");
  EXPECT_EQ(pools_.last_request.request_id, "request");
}

TEST_F(RegisterImagesTest, VerificationSaysHowCloselyOneLooks) {
  loader_.sizes["pixels"] = {7, 5};
  ASSERT_TRUE(
      register_.RegisterAll({}, 1, {Path("a", "nowhere.png")}, Verification::kNone, {}).ok());
  EXPECT_EQ(loader_.headers_read + loader_.decoded, 0);
  EXPECT_EQ(pools_.images["a"].width, 0);
  ASSERT_TRUE(register_.RegisterAll({}, 1, {Path("b", "b.png")}, Verification::kHeader, {}).ok());
  EXPECT_EQ(loader_.headers_read, 1);
  EXPECT_EQ(loader_.decoded, 0);
  // Bytes are decoded in any case.
  ASSERT_TRUE(register_.RegisterAll({}, 1, {Data("z", "pixels")}, Verification::kNone, {}).ok());
  EXPECT_EQ(loader_.decoded, 1);
}

TEST_F(RegisterImagesTest, ImagesThatAreThereAreNotLookedAtAgain) {
  ASSERT_TRUE(register_.RegisterAll({}, 1, {Path("a", "a.png")}, Verification::kDecode, {}).ok());
  loader_.sizes.clear();  // the files are gone
  const auto again = register_.RegisterAll({}, 1, {Path("a", "a.png")}, Verification::kDecode, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->existing, 1);
  EXPECT_EQ(loader_.decoded, 1);
}

TEST_F(RegisterImagesTest, TheLoadersPassingTroublesAreNoImagesFault) {
  loader_.errors["b.png"] = base::Unavailable("too many open files", absl::Seconds(1));
  const std::vector<ImageInput> images = {Path("a", "a.png"), Path("b", "b.png")};
  EXPECT_TRUE(absl::IsUnavailable(
      register_.RegisterAll({}, 1, images, Verification::kDecode, {}).status()));
  EXPECT_TRUE(
      absl::IsUnavailable(register_.RegisterGood({}, 1, images, Verification::kDecode).status()));
  EXPECT_TRUE(pools_.images.empty());
}

TEST_F(RegisterImagesTest, AFullDiskStoresNothing) {
  loader_.sizes["pixels"] = {7, 5};
  artifacts_.put_status = base::Overloaded("no space left", absl::Seconds(60));
  const std::vector<ImageInput> images = {Path("a", "a.png"), Data("z", "pixels")};
  EXPECT_TRUE(absl::IsResourceExhausted(
      register_.RegisterAll({}, 1, images, Verification::kDecode, {}).status()));
  EXPECT_TRUE(pools_.images.empty());
}

TEST_F(RegisterImagesTest, AChunkKeepsTheGoodAndTellsOfTheBad) {
  pools_.Add("b", {Kind::kPath, "other.png"}, 1, 1);
  pools_.Add("c", {Kind::kPath, "other.png"}, 1, 1);
  ImageInput useless = Path("u", "a.png");
  useless.problem = base::InvalidField("use", "is no use");
  const std::vector<ImageInput> images = {Path("x", "broken.png"), Path("a", "a.png"),
                                          Path("b", "b.png"),      useless,
                                          Path("c", "c.png"),      Path("a", "b.png")};
  const auto chunk = register_.RegisterGood({}, 1, images, Verification::kDecode);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->counts.registered, 1);
  std::string refused;
  for (const Refusal& refusal : chunk->refused) {
    refused += std::to_string(refusal.index) + ":" + refusal.field + " ";
  }
  EXPECT_EQ(refused, "0:source.path 2:image_id 3:use 4:image_id 5:image_id ");
  EXPECT_EQ(pools_.images["a"].source.location, "a.png");
}

TEST_F(RegisterImagesTest, AStoreThatIsAwayFailsTheChunk) {
  pools_.register_status = base::Unavailable("away", absl::Seconds(1));
  EXPECT_TRUE(absl::IsUnavailable(
      register_.RegisterGood({}, 1, {Path("a", "a.png")}, Verification::kDecode).status()));
  EXPECT_EQ(pools_.register_calls, 1);
}

TEST(SourceFormTest, Paths) {
  for (const char* path : {"a.png", "a/b c/d.png", "...", "a..b", "./a.png", "\xc3\xa9.jpg"}) {
    FieldErrors errors;
    CheckSourceForm(Path("x", path), "", &errors);
    EXPECT_TRUE(errors.empty()) << path;
  }
  for (const std::string& path :
       {std::string(), std::string("/a"), std::string(".."), std::string("a/../b"),
        std::string("a/.."), std::string("a//b"), std::string("a/"), std::string("a\0b", 3),
        std::string(1025, 'a'), std::string("\xff.png")}) {
    FieldErrors errors;
    CheckSourceForm(Path("x", path), "images[0].", &errors);
    ASSERT_FALSE(errors.empty()) << path;
    EXPECT_EQ(errors.violations()[0].field, "images[0].source.path");
  }
}

}  // namespace
}  // namespace mgral::app
