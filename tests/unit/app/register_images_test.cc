#include "server/app/register_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/base/errors.h"
#include "tests/support/fake_image_loader.h"
#include "tests/support/mock_pool_store.h"
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
    ON_CALL(pools_, RegisterImages)
        .WillByDefault(
            [this](int64_t, absl::Span<const domain::NewImage> images,
                   const domain::RequestKey& request) { return Store(images, request); });
    ON_CALL(pools_, GetImages).WillByDefault([this](int64_t, const std::vector<std::string>& ids) {
      std::vector<domain::Image> found;
      for (const std::string& id : ids) {
        if (images_.count(id) > 0) found.push_back(images_[id]);
      }
      return found;
    });
  }
  // As a store does; of conflicts it names the first.
  absl::StatusOr<domain::PoolStore::Registered> Store(absl::Span<const domain::NewImage> images,
                                                      const domain::RequestKey& request) {
    request_id_ = request.request_id;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto found = images_.find(images[i].image_id);
      if (found != images_.end() && found->second.source.location != images[i].source.location) {
        return base::WithFields(base::AlreadyExists("image", images[i].image_id, "another source"),
                                {{"images[" + std::to_string(i) + "].image_id", "another source"}});
      }
    }
    domain::PoolStore::Registered counts;
    for (const domain::NewImage& image : images) {
      ++(images_.count(image.image_id) > 0 ? counts.existing : counts.registered);
      Add(image.image_id, image.source, image.width, image.height);
      images_[image.image_id].note = image.note;
    }
    return counts;
  }
  void Add(const std::string& image_id, const domain::ImageSource& source, int width, int height) {
    domain::Image& image = images_[image_id];
    image.image_id = image_id;
    image.source = source;
    image.width = width;
    image.height = height;
  }
  std::string Fields(const absl::Status& status) {
    std::string text;
    for (const auto& violation : base::FieldViolations(status)) text += violation.field + ";";
    return text;
  }
  testing::NiceMock<test::MockPoolStore> pools_;
  std::map<std::string, domain::Image> images_;
  std::string request_id_;
  test::FakeImageLoader loader_;
  test::TemporaryArtifactStore artifacts_;
  const domain::Pool pool_;
  RegisterImages register_{&pools_, &loader_, &artifacts_, 2};
};

TEST_F(RegisterImagesTest, OneBadImageKeepsAllOut) {
  const std::vector<ImageInput> images = {Path("a", "a.png"), Path("x", "broken.png"),
                                          Path("y", "../b.png"), Data("z", "no image")};
  EXPECT_CALL(pools_, RegisterImages).Times(0);
  const auto result = register_.RegisterAll({}, pool_, images, Verification::kDecode, {});
  EXPECT_EQ(Fields(result.status()),
            "images[1].source.path;images[2].source.path;images[3].source.data;");
  EXPECT_EQ(artifacts_.Count(), 0u);
}

TEST_F(RegisterImagesTest, SizesAreThoseOfThePoolsConvention) {
  loader_.sizes["pixels"] = {7, 5, "of several pages the first"};
  loader_.turned = {"a.png", "b.png", "pixels"};
  domain::Pool stored;
  stored.applies_exif_orientation = false;
  for (const domain::Pool& pool : {pool_, stored}) {
    images_.clear();
    const bool turned = pool.applies_exif_orientation;
    ASSERT_TRUE(register_
                    .RegisterAll({}, pool, {Path("a", "a.png"), Data("z", "pixels")},
                                 Verification::kDecode, {})
                    .ok());
    ASSERT_TRUE(
        register_.RegisterAll({}, pool, {Path("b", "b.png")}, Verification::kHeader, {}).ok());
    EXPECT_EQ(images_["a"].width, turned ? 30 : 40);
    EXPECT_EQ(images_["b"].width, turned ? 30 : 40);
    EXPECT_EQ(images_["z"].width, turned ? 5 : 7);
    EXPECT_EQ(images_["a"].note, "");
    EXPECT_EQ(images_["z"].note, "of several pages the first");
    EXPECT_EQ(images_["z"].source.kind, Kind::kArtifact);
    EXPECT_EQ(images_["z"].source.oriented, turned);
  }
}

TEST_F(RegisterImagesTest, StoresSizesAndBytes) {
  loader_.sizes["pixels"] = {7, 5};
  const std::vector<ImageInput> images = {Path("a", "a.png"), Data("z", "pixels")};
  const auto result =
      register_.RegisterAll({}, pool_, images, Verification::kDecode, {"m", "request", "f"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->registered, 2);
  EXPECT_EQ(images_["a"].width, 40);
  EXPECT_EQ(images_["z"].height, 5);
  EXPECT_EQ(images_["z"].source.kind, Kind::kArtifact);
  EXPECT_EQ(*artifacts_.Get(images_["z"].source.location), "pixels");
  EXPECT_EQ(request_id_, "request");
}

TEST_F(RegisterImagesTest, VerificationSaysHowCloselyOneLooks) {
  loader_.sizes["pixels"] = {7, 5};
  ASSERT_TRUE(
      register_.RegisterAll({}, pool_, {Path("a", "nowhere.png")}, Verification::kNone, {}).ok());
  EXPECT_EQ(loader_.headers_read + loader_.decoded, 0);
  EXPECT_EQ(images_["a"].width, 0);
  ASSERT_TRUE(
      register_.RegisterAll({}, pool_, {Path("b", "b.png")}, Verification::kHeader, {}).ok());
  EXPECT_EQ(loader_.headers_read, 1);
  EXPECT_EQ(loader_.decoded, 0);
  // Bytes are decoded in any case.
  ASSERT_TRUE(
      register_.RegisterAll({}, pool_, {Data("z", "pixels")}, Verification::kNone, {}).ok());
  EXPECT_EQ(loader_.decoded, 1);
}

TEST_F(RegisterImagesTest, ImagesThatAreThereAreNotLookedAtAgain) {
  ASSERT_TRUE(
      register_.RegisterAll({}, pool_, {Path("a", "a.png")}, Verification::kDecode, {}).ok());
  loader_.sizes.clear();  // the files are gone
  const auto again =
      register_.RegisterAll({}, pool_, {Path("a", "a.png")}, Verification::kDecode, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->existing, 1);
  EXPECT_EQ(loader_.decoded, 1);
}

TEST_F(RegisterImagesTest, TheLoadersPassingTroublesAreNoImagesFault) {
  loader_.errors["b.png"] = base::Unavailable("too many open files", absl::Seconds(1));
  const std::vector<ImageInput> images = {Path("a", "a.png"), Path("b", "b.png")};
  EXPECT_TRUE(absl::IsUnavailable(
      register_.RegisterAll({}, pool_, images, Verification::kDecode, {}).status()));
  EXPECT_TRUE(absl::IsUnavailable(
      register_.RegisterValid({}, pool_, images, Verification::kDecode).status()));
  EXPECT_TRUE(images_.empty());
}

TEST_F(RegisterImagesTest, AFullDiskStoresNothing) {
  loader_.sizes["pixels"] = {7, 5};
  artifacts_.put_status = base::Overloaded("no space left", absl::Seconds(60));
  const std::vector<ImageInput> images = {Path("a", "a.png"), Data("z", "pixels")};
  EXPECT_TRUE(absl::IsResourceExhausted(
      register_.RegisterAll({}, pool_, images, Verification::kDecode, {}).status()));
  EXPECT_TRUE(images_.empty());
}

TEST_F(RegisterImagesTest, AChunkKeepsTheGoodAndTellsOfTheBad) {
  Add("b", {Kind::kPath, "other.png"}, 1, 1);
  Add("c", {Kind::kPath, "other.png"}, 1, 1);
  ImageInput useless = Path("u", "a.png");
  useless.problem = base::InvalidField("use", "is no use");
  const std::vector<ImageInput> images = {Path("x", "broken.png"), Path("a", "a.png"),
                                          Path("b", "b.png"),      useless,
                                          Path("c", "c.png"),      Path("a", "b.png")};
  const auto chunk = register_.RegisterValid({}, pool_, images, Verification::kDecode);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->counts.registered, 1);
  std::string refused;
  for (const Refusal& refusal : chunk->refused) {
    refused += std::to_string(refusal.index) + ":" + refusal.field + " ";
  }
  EXPECT_EQ(refused, "0:source.path 2:image_id 3:use 4:image_id 5:image_id ");
  EXPECT_EQ(images_["a"].source.location, "a.png");
}

TEST_F(RegisterImagesTest, AStoreThatIsAwayFailsTheChunk) {
  EXPECT_CALL(pools_, RegisterImages).WillOnce([](auto, auto, const auto&) {
    return base::Unavailable("away", absl::Seconds(1));
  });
  EXPECT_TRUE(absl::IsUnavailable(
      register_.RegisterValid({}, pool_, {Path("a", "a.png")}, Verification::kDecode).status()));
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
