#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/cycle/stages.h"

// What a cycle does about images that it cannot use.
namespace mgral::cycle {

// How often a job tries to reach an image before the cycle goes on without it.
constexpr int kImageTries = 6;

// Decodes every image and says which can be used, in the order given. The others are named by the
// cycle (CycleStore::LeaveOut). Those that cannot be decoded, or whose file has another size than
// the labels were given for, become REJECTED. One whose address does not answer makes the job fail
// with UNAVAILABLE, to be tried again, until kImageTries; more than a few of them always do: then
// it is not the images.
absl::StatusOr<std::vector<bool>> FindUsable(const StageContext& stage,
                                             const std::vector<const domain::Image*>& images);

// Drops the examples that cannot be used.
absl::Status KeepUsable(const StageContext& stage, std::vector<domain::Example>* examples);

// The cycle names the images that it goes without.
absl::Status NameLeftOut(const StageContext& stage,
                         const std::vector<domain::LeftOutImage>& images);

// Whether a runtime's error may come from a single image.
bool MayComeFromAnImage(const absl::Status& status);

}  // namespace mgral::cycle
