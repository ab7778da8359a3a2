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

// How thoroughly an image is checked before it is registered. Bytes sent with the call are always
// decoded: they could not be repaired later.
enum class Verification { kDecode, kHeader, kNone };

// Checks images and registers them. An image that is already registered with the same source and
// use is not checked again, which makes resuming cheap. Thread-safe.
class RegisterImages {
 public:
  // `threads`: of one call, to look at its images with.
  RegisterImages(domain::PoolStore* pools, domain::ImageLoader* loader,
                 domain::ArtifactStore* artifacts, int threads)
      : pools_(pools), loader_(loader), artifacts_(artifacts), threads_(threads) {}

  // All or none. Errors: INVALID_ARGUMENT and ALREADY_EXISTS on "images[i]...", RESOURCE_EXHAUSTED
  // when the disk is full, UNAVAILABLE; the call's own CANCELLED and DEADLINE_EXCEEDED.
  absl::StatusOr<domain::PoolStore::Registered> RegisterAll(const domain::CallContext& call,
                                                            const domain::Pool& pool,
                                                            absl::Span<const ImageInput> images,
                                                            Verification verification,
                                                            const domain::RequestKey& request);

  struct Chunk {
    domain::PoolStore::Registered counts;
    std::vector<Refusal> refused;  // by index
  };
  // Registers those that are valid and reports the others. Errors that are no image's own
  // (UNAVAILABLE, RESOURCE_EXHAUSTED, ...) fail the chunk, of which nothing is stored then.
  absl::StatusOr<Chunk> RegisterValid(const domain::CallContext& call, const domain::Pool& pool,
                                      absl::Span<const ImageInput> images,
                                      Verification verification);

 private:
  // One per image: what to store, or what is wrong with it ("source.path", ...).
  struct Examined {
    domain::NewImage image;
    absl::Status status;
  };
  absl::StatusOr<std::vector<Examined>> Examine(const domain::CallContext& call,
                                                const domain::Pool& pool,
                                                absl::Span<const ImageInput> images,
                                                Verification verification);
  absl::Status Inspect(const domain::CallContext& call, const ImageInput& input,
                       Verification verification, domain::NewImage* image);

  domain::PoolStore* pools_;
  domain::ImageLoader* loader_;
  domain::ArtifactStore* artifacts_;
  const int threads_;
};

}  // namespace mgral::app
