#pragma once

#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/detector/profile.h"
#include "server/core/evaluation/average_precision.h"
#include "server/core/geometry/box.h"
#include "server/core/lookup/object_embeddings.h"
#include "server/core/lookup/replay.h"
#include "server/core/lookup/table_input.h"
#include "server/domain/detector_runtime.h"
#include "server/domain/selection_runtime.h"

// Between the types of server/domain and those of server/core.
namespace mgral::runtime {

// Detections in the pixels of a reduced image, as boxes of the original, cut at its border.
std::vector<domain::Box> ToBoxes(const std::vector<core::Detection>& detections, int reduced_width,
                                 int reduced_height, int original_width, int original_height);
std::vector<core::ScoredBox> ToScoredBoxes(const std::vector<domain::Box>& boxes);

domain::Accuracy ToAccuracy(const core::Accuracy& measured, int64_t images);

// The profile with the pool's overrides. Throws as core::MakeRecipe.
core::DetectorProfile MakeRecipe(const domain::DetectorSettings& settings, int num_classes,
                                 int64_t labeled_images, uint64_t seed);

// Signals as the flat arrays of core. INVALID_ARGUMENT when their sizes differ.
absl::StatusOr<core::ImageSignals> ToCore(const std::vector<domain::ImageSignals>& signals,
                                          int num_classes);
// DATA_LOSS when the plan's cells cannot be read.
absl::StatusOr<core::TableInput> ToCore(const domain::SelectionRuntime::TableRequest& request);

// Where images are in a list, by their keys.
class PositionOf {
 public:
  explicit PositionOf(const std::vector<domain::ImageSignals>& images);
  // Those that are there.
  std::vector<int64_t> All(const std::vector<int64_t>& keys) const;

 private:
  std::unordered_map<int64_t, int64_t> positions_;
};
std::vector<core::ReplayBase> ToCore(const std::vector<domain::ReplayBase>& bases,
                                     const PositionOf& position);

// AP per class, 0 where it is unknown, as for all classes that `ap` lacks.
std::vector<double> KnownAp(std::vector<double> ap, int num_classes);

// Embeddings alone, [n, d]; those of another length than `dim` are left out.
std::vector<float> Embeddings(const std::vector<domain::ImageSignals>& signals, size_t dim);

// The embeddings of the images' objects; none where an image in which something was found lacks
// them, or has others than the rest.
core::ObjectEmbeddings ObjectsOf(const std::vector<domain::ImageSignals>& signals);

}  // namespace mgral::runtime
