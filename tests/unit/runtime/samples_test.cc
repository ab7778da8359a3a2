#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <system_error>

#include "server/core/progress.h"
#include "server/runtime/convert.h"
#include "server/runtime/example_samples.h"
#include "server/runtime/status_from_exception.h"
#include "tests/unit/runtime/fake_loader.h"

namespace mgral::runtime {
namespace {

domain::Example MakeExample(const std::string& location) {
  domain::Example example;
  example.image.source.location = location;
  return example;
}

TEST(ExampleSamplesTest, ScalesLabelsWithTheImage) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  domain::Example example = MakeExample("200x100:1");
  domain::Box box;
  box.x_min = 100;
  box.y_min = 20;
  box.width = 50;
  box.height = 40;
  box.class_index = 1;
  box.ignore = true;
  example.boxes = {box};
  ExampleSamples samples({&example}, 100, &cache);
  const core::Sample sample = samples.Get(0);
  EXPECT_EQ(sample.image.size(2), 100);
  EXPECT_TRUE(at::equal(sample.boxes, at::tensor({50.f, 10.f, 75.f, 30.f}).view({1, 4})));
  EXPECT_EQ(sample.labels.item<int64_t>(), 1);
  EXPECT_TRUE(sample.ignore.item<bool>());
}

TEST(ExampleSamplesTest, NamesWhatCannotBeUsedButNotWhatIsAway) {
  test::FakeLoader loader;
  ImageCache cache(&loader, 1 << 20);
  std::vector<domain::Example> examples = {MakeExample("20x10:1"), MakeExample("bad"),
                                           MakeExample("20x10:2")};
  std::vector<domain::LeftOutImage> left_out;
  const auto usable = UsableExamples(examples, 0, &cache, nullptr, &left_out);
  ASSERT_TRUE(usable.ok());
  EXPECT_EQ(usable->size(), 2u);
  ASSERT_EQ(left_out.size(), 1u);
  EXPECT_EQ(left_out[0].image_key, examples[1].image.key);
  EXPECT_NE(left_out[0].reason, "");
  examples[0].image.width = 10;  // the labels are for another file
  examples[0].image.height = 10;
  left_out.clear();
  EXPECT_EQ(UsableExamples(examples, 0, &cache, nullptr, &left_out)->size(), 1u);
  ASSERT_EQ(left_out.size(), 2u);
  EXPECT_EQ(left_out[0].reason,
            "the file has 20 x 10 pixels now, its labels were given for 10 x 10");
  examples.push_back(MakeExample("away"));
  EXPECT_EQ(UsableExamples(examples, 0, &cache, nullptr, &left_out).status().code(),
            absl::StatusCode::kUnavailable);
  examples.back() = MakeExample("gone");
  EXPECT_EQ(domain::FaultOf(UsableExamples(examples, 0, &cache, nullptr, &left_out).status()),
            domain::ImageFault::kMissing);
  EXPECT_EQ(UsableExamples(
                examples, 0, &cache, [](double) { return false; }, &left_out)
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

TEST(ToBoxesTest, ScalesBackAndCutsAtTheBorder) {
  core::Detection detection;
  detection.box = {-5, 10, 60, 25};
  detection.label = 2;
  detection.score = 0.5f;
  core::Detection outside;
  outside.box = {200, 10, 220, 20};
  outside.score = 0.9f;
  const auto boxes = ToBoxes({detection, outside}, 100, 50, 200, 150);
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].x_min, 0);
  EXPECT_EQ(boxes[0].y_min, 30);
  EXPECT_EQ(boxes[0].width, 120);
  EXPECT_EQ(boxes[0].height, 45);
  EXPECT_EQ(boxes[0].class_index, 2);
}

TEST(ToCoreTest, RefusesSignalsOfDifferentSizes) {
  domain::ImageSignals a;
  a.embedding = {1, 2};
  a.expected_objects = a.uncertainty = {0, 0};
  domain::ImageSignals b = a;
  b.embedding = {1};
  EXPECT_TRUE(ToCore({a, a}, 2).ok());
  EXPECT_FALSE(ToCore({a, b}, 2).ok());
  EXPECT_FALSE(ToCore({a}, 3).ok());
}

TEST(ObjectsOfTest, AreThereOnceEveryImageWithPredictionsHasThem) {
  domain::ImageSignals a, empty;
  a.predictions.resize(3);
  a.object_dim = 2;
  a.objects = {127, 1, 2, 127};
  empty.object_dim = 2;
  const core::ObjectEmbeddings objects = ObjectsOf({empty, a, empty, a});
  EXPECT_EQ(objects.dim, 2);
  EXPECT_EQ(objects.first, (std::vector<int64_t>{0, 0, 2, 2, 4}));
  EXPECT_EQ(objects.values.size(), 8u);
  domain::ImageSignals earlier = a;  // by a release that kept none
  earlier.object_dim = 0;
  earlier.objects.clear();
  EXPECT_EQ(ObjectsOf({a, earlier}).dim, 0);
  EXPECT_EQ(ObjectsOf({earlier, a}).dim, 0);
  EXPECT_EQ(ObjectsOf({empty}).dim, 0);
}

template <typename Thrown>
absl::StatusCode CodeOf(const Thrown& thrown) {
  return Guarded([&]() -> absl::Status { throw thrown; }).code();
}

TEST(StatusFromExceptionTest, EachKindHasItsCode) {
  EXPECT_EQ(CodeOf(core::Canceled()), absl::StatusCode::kCancelled);
  EXPECT_EQ(CodeOf(std::bad_alloc()), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::invalid_argument("x")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(std::runtime_error("x")), absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(std::system_error(ENOSPC, std::generic_category())),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::system_error(EDQUOT, std::generic_category())),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(std::system_error(EACCES, std::generic_category())),
            absl::StatusCode::kInternal);
  EXPECT_EQ(CodeOf(7), absl::StatusCode::kInternal);
  const absl::Status torch = Guarded([]() -> absl::Status {
    at::zeros({2}).matmul(at::zeros({3}));
    return absl::OkStatus();
  });
  EXPECT_EQ(torch.code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace mgral::runtime
