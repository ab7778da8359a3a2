#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/detector/sample.h"
#include "server/domain/detector_runtime.h"
#include "server/runtime/image_cache.h"

namespace mgral::runtime {

// The examples that can be used, in the order given. Those whose image cannot be decoded, or has
// another size than the boxes are for, are appended to `left_out`; any other error (an address that
// does not answer) is returned.
absl::StatusOr<std::vector<const domain::Example*>> UsableExamples(
    const std::vector<domain::Example>& examples, int max_side, ImageCache* images,
    const domain::Progress& progress, std::vector<domain::LeftOutImage>* left_out);

// Labeled images for core, reduced to the detector's input; labels are scaled along. `examples`
// and `images` must outlive it.
class ExampleSamples : public core::SampleSource {
 public:
  ExampleSamples(const std::vector<const domain::Example*>& examples, int max_side,
                 ImageCache* images)
      : examples_(examples), max_side_(max_side), images_(images) {}

  int64_t size() const override { return static_cast<int64_t>(examples_.size()); }
  // Throws std::runtime_error when the image cannot be read any more.
  core::Sample Get(int64_t index) override;

 private:
  std::vector<const domain::Example*> examples_;
  int max_side_;
  ImageCache* images_;
};

// Images without labels that are decoded already.
class DecodedSamples : public core::SampleSource {
 public:
  explicit DecodedSamples(std::vector<CachedImage> images) : images_(std::move(images)) {}
  int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  core::Sample Get(int64_t index) override {
    core::Sample sample;
    sample.image = images_[index].pixels;
    sample.content = images_[index].content;
    return sample;
  }

 private:
  std::vector<CachedImage> images_;
};

}  // namespace mgral::runtime
