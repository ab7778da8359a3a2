#include "server/runtime/image_cache.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

using domain::ImageSource;

ImageSource Source(const std::string& location) { return {ImageSource::Kind::kPath, location}; }

TEST(ImageCacheTest, DecodesOncePerSize) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  ASSERT_TRUE(cache.Get(Source("40x20:1"), 0).ok());
  const auto image = cache.Get(Source("40x20:1"), 0);
  EXPECT_EQ(loader.loads, 1);
  EXPECT_EQ(image->pixels.sizes(), (std::vector<int64_t>{3, 20, 40}));
  const auto half = cache.Get(Source("40x20:1"), 20);
  EXPECT_EQ(loader.loads, 2);
  EXPECT_EQ(half->pixels.sizes(), (std::vector<int64_t>{3, 10, 20}));
  EXPECT_EQ(half->original_width, 40);
}

TEST(ImageCacheTest, AnImageThatIsTurnedIsAnother) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  ImageSource turned = Source("40x20:1");
  turned.oriented = true;
  ASSERT_TRUE(cache.Get(Source("40x20:1"), 0).ok());
  ASSERT_TRUE(cache.Get(turned, 0).ok());
  EXPECT_EQ(loader.loads, 2);
  ASSERT_TRUE(cache.Get(turned, 0).ok());
  EXPECT_EQ(loader.loads, 2);
}

TEST(ImageCacheTest, DropsTheLeastRecentlyUsedBeyondItsBytes) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 2 * 3 * 20 * 10);  // two images
  for (const char* each : {"20x10:1", "20x10:2", "20x10:1", "20x10:3"}) {
    ASSERT_TRUE(cache.Get(Source(each), 0).ok());
  }
  EXPECT_EQ(loader.loads, 3);
  ASSERT_TRUE(cache.Get(Source("20x10:1"), 0).ok());  // still there
  EXPECT_EQ(loader.loads, 3);
  ASSERT_TRUE(cache.Get(Source("20x10:2"), 0).ok());  // gone
  EXPECT_EQ(loader.loads, 4);
  ASSERT_TRUE(cache.Get(Source("200x100:1"), 0).ok());  // larger than all of it
  ASSERT_TRUE(cache.Get(Source("20x10:2"), 0).ok());
  EXPECT_EQ(loader.loads, 5);
}

TEST(ImageCacheTest, ReloadReadsAnewAndForgetsWhatCannotBeReadAnyMore) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  ASSERT_TRUE(cache.Get(Source("40x20:1"), 20).ok());
  ASSERT_TRUE(cache.Reload({}, Source("40x20:1"), 20).ok());
  EXPECT_EQ(loader.loads, 2);
  ASSERT_TRUE(cache.Get(Source("40x20:1"), 20).ok());
  EXPECT_EQ(loader.loads, 2);
  loader.damaged = true;
  EXPECT_FALSE(cache.Reload({}, Source("40x20:1"), 20).ok());
  EXPECT_FALSE(cache.Get(Source("40x20:1"), 20).ok());
}

TEST(ImageCacheTest, ErrorsAreNotKept) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  EXPECT_EQ(cache.Get(Source("bad"), 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cache.Get(Source("bad"), 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(loader.loads, 2);
}

}  // namespace
}  // namespace mgral::runtime
