#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/cycle/stages.h"

// What a cycle does about images that it cannot use.
namespace mgral::cycle {

// How often a job tries to reach an image before the cycle goes on without it; other errors that it
// meets in between do not count.
constexpr int kImageTries = 6;

enum class Usability {
  kUsable,
  kRejected,  // its content is unusable
  kMissing    // it cannot be read now
};

// Reads every image anew, several at once, decoded as the work that follows needs it
// (DetectorRuntime::Prepare), and says which can be used, in the order given. The others
// are named by the cycle (CycleStore::LeaveOut). Those that cannot be decoded, or whose file has
// another size than the labels were given for, become REJECTED; those that are missing stay as they
// are. One whose address does not answer makes the job fail with UNAVAILABLE, to be tried again,
// until kImageTries. More missing ones than MostMissing(whole) never pass, where `whole` counts the
// images that these are part of: UNAVAILABLE, or FAILED_PRECONDITION where trying again is no help.
// FAILED_PRECONDITION also when this server is not set up to read an image.
absl::StatusOr<std::vector<Usability>> FindUsable(const StageContext& stage,
                                                  const std::vector<const domain::Image*>& images,
                                                  size_t whole);

// Of so many images, as many may be missing: a few files, not a folder or a host.
size_t MostMissing(size_t images);

// Drops the examples that cannot be used; all lists are judged together. FAILED_PRECONDITION when
// none is left of the first, which a detector learns from, because images are missing.
absl::Status KeepUsable(const StageContext& stage,
                        const std::vector<std::vector<domain::Example>*>& lists);

// The cycle names the images that it goes without.
absl::Status NameLeftOut(const StageContext& stage,
                         const std::vector<domain::LeftOutImage>& images);

// A runtime's error that may be a single image's: FindUsable knows.
bool MayComeFromAnImage(const absl::Status& status);
// Such an error right after FindUsable: UNAVAILABLE, for the images change. Others, and DATA_LOSS,
// which may be the weights', as they are.
absl::Status ToBeTriedAgain(const absl::Status& status);

}  // namespace mgral::cycle
