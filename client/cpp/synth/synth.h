// `mgral synth`: a small detection dataset that the program draws itself. Long-tailed classes,
// bursts of near-duplicate frames, places that look different, pictures with nothing in them: what
// makes one batch worth more than another.
#pragma once

#include <cstdint>
#include <functional>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/synth/scene.h"

namespace mgral::client {

constexpr int kLeastSynthImages = 20;
constexpr int kMostSynthImages = 100000;
constexpr int kLeastSynthSize = 64;
constexpr int kMostSynthSize = 1024;

struct SynthOptions {
  std::string folder;  // made if it isn't there
  int images = 600;
  uint64_t seed = 1;
  int size = 160;  // pixels, width and height
  // JPEG of 48 pictures with their boxes; empty: none.
  std::string contact_sheet;
};

struct SynthSummary {
  int64_t images = 0;
  int64_t boxes = 0;
  int64_t empty_images = 0;
  int64_t bursts = 0;
  int64_t burst_images = 0;
  std::vector<int64_t> class_images;  // pictures with at least one, per class
  int64_t train = 0, validation = 0, test = 0;
};

// Positions of frames. A near_dup_group is in one part only; about 55 : 15 : 30.
struct SynthSplits {
  std::vector<int> train, validation, test;
};
SynthSplits SplitFrames(const std::vector<Frame>& frames, uint64_t seed);

// Writes images/*.jpg, annotations.json (COCO, with "sequence" and "near_dup_group" per image) and
// splits.json, files of that name are replaced. The same options give the same bytes.
// InvalidArgument for numbers out of range; otherwise what the file system said. `progress` may be
// null; it is called with the images drawn so far.
absl::StatusOr<SynthSummary> WriteSynthDataset(const SynthOptions& options,
                                               const std::function<void(int64_t)>& progress);

}  // namespace mgral::client
