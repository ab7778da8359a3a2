#include "server/runtime/example_samples.h"

#include <ATen/ATen.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/progress.h"
#include "server/runtime/status_from_exception.h"

namespace mgral::runtime {
namespace {

// Boxes are for an image of this size. 0: it is not known.
bool HasSizeOf(const CachedImage& cached, const domain::Image& image) {
  return image.width == 0 || image.height == 0 ||
         (cached.original_width == image.width && cached.original_height == image.height);
}

// OK if the image can be trained and measured on.
absl::Status Check(const domain::Image& image, int max_side, ImageCache* images) {
  absl::StatusOr<CachedImage> cached = images->Get(image.source, max_side);
  if (cached.ok() && !HasSizeOf(*cached, image))
    cached = images->Reload({}, image.source, max_side);
  if (!cached.ok()) return cached.status();
  if (HasSizeOf(*cached, image)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the file has ", cached->original_width, " x ", cached->original_height,
                   " pixels now, its labels were given for ", image.width, " x ", image.height));
}

}  // namespace

absl::StatusOr<std::vector<const domain::Example*>> UsableExamples(
    const std::vector<domain::Example>& examples, int max_side, ImageCache* images,
    const domain::Progress& progress, std::vector<domain::LeftOutImage>* left_out) {
  std::vector<const domain::Example*> usable;
  for (const domain::Example& example : examples) {
    if (progress && !progress(0)) return absl::CancelledError("the work was asked to stop");
    const absl::Status status = Check(example.image, max_side, images);
    if (status.ok()) {
      usable.push_back(&example);
    } else if (IsOfImage(status)) {
      left_out->push_back(
          {example.image.key, example.image.image_id, std::string(status.message())});
    } else {
      return status;
    }
  }
  return usable;
}

core::Sample ExampleSamples::Get(int64_t index) {
  const domain::Example& example = *examples_.at(index);
  const absl::StatusOr<CachedImage> image = images_->Get(example.image.source, max_side_);
  if (absl::IsCancelled(image.status())) throw core::Canceled();
  if (!image.ok()) {
    // It could be read when the work began. Whatever it is now, a later attempt may find it well,
    // or leaves it out when it looks at all of them again.
    const absl::StatusCode code = absl::IsInvalidArgument(image.status())
                                      ? absl::StatusCode::kUnavailable
                                      : image.status().code();
    throw StatusException(absl::Status(
        code, absl::StrCat("image ", example.image.image_id, ": ", image.status().message())));
  }
  const int64_t n = static_cast<int64_t>(example.boxes.size());
  core::Sample sample;
  sample.image = image->pixels;
  sample.content = image->content;
  sample.boxes = at::empty({n, 4}, at::kFloat);
  sample.labels = at::empty({n}, at::kLong);
  sample.ignore = at::empty({n}, at::kBool);
  const double scale_x = static_cast<double>(image->pixels.size(2)) / image->original_width;
  const double scale_y = static_cast<double>(image->pixels.size(1)) / image->original_height;
  float* corners = sample.boxes.data_ptr<float>();
  for (int64_t i = 0; i < n; ++i) {
    const domain::Box& box = example.boxes[i];
    corners[4 * i] = static_cast<float>(box.x_min * scale_x);
    corners[4 * i + 1] = static_cast<float>(box.y_min * scale_y);
    corners[4 * i + 2] = static_cast<float>((box.x_min + box.width) * scale_x);
    corners[4 * i + 3] = static_cast<float>((box.y_min + box.height) * scale_y);
    sample.labels.data_ptr<int64_t>()[i] = box.class_index;
    sample.ignore.data_ptr<bool>()[i] = box.ignore;
  }
  return sample;
}

}  // namespace mgral::runtime
