#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/image_input.h"
#include "server/app/item_errors.h"
#include "server/domain/artifact_store.h"
#include "server/domain/image_loader.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

// How closely an image is looked at before it is registered. Bytes that are sent along are always
// decoded: nobody could mend them later.
enum class Verification { kDecode, kHeader, kNone };

// Looks at images and registers them. An image that is registered already with the same source and
// use is not looked at again, which makes it cheap to resume. Thread-safe.
class RegisterImages {
 public:
  // `threads`: of one call, to look at its images with.
  RegisterImages(domain::PoolStore* pools, domain::ImageLoader* loader,
                 domain::ArtifactStore* artifacts, int threads)
      : pools_(pools), loader_(loader), artifacts_(artifacts), threads_(threads) {}

  // All or none. Errors: INVALID_ARGUMENT and ALREADY_EXISTS on "images[i]...", RESOURCE_EXHAUSTED
  // when the disk is full, UNAVAILABLE; the call's own CANCELLED and DEADLINE_EXCEEDED.
  absl::StatusOr<domain::PoolStore::Registered> RegisterAll(const domain::CallContext& call,
                                                            int64_t pool_key,
                                                            absl::Span<const ImageInput> images,
                                                            Verification verification,
                                                            const domain::RequestKey& request);

  struct Chunk {
    domain::PoolStore::Registered counts;
    std::vector<Refusal> refused;  // by index
  };
  // Registers those that are in order and tells of the others. Errors that are no image's own
  // (UNAVAILABLE, RESOURCE_EXHAUSTED, ...) fail the chunk, of which nothing is stored then.
  absl::StatusOr<Chunk> RegisterGood(const domain::CallContext& call, int64_t pool_key,
                                     absl::Span<const ImageInput> images,
                                     Verification verification);

 private:
  // One per image: what to store, or what is wrong with it ("source.path", ...).
  struct Examined {
    domain::NewImage image;
    absl::Status status;
  };
  absl::StatusOr<std::vector<Examined>> Examine(const domain::CallContext& call, int64_t pool_key,
                                                absl::Span<const ImageInput> images,
                                                Verification verification);
  absl::Status Look(const domain::CallContext& call, const ImageInput& input,
                    Verification verification, domain::NewImage* image);

  domain::PoolStore* pools_;
  domain::ImageLoader* loader_;
  domain::ArtifactStore* artifacts_;
  const int threads_;
};

}  // namespace mgral::app
