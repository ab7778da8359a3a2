#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/domain/image.h"
#include "server/domain/labels.h"
#include "server/domain/pool.h"
#include "server/domain/pool_scope.h"
#include "server/domain/request.h"

namespace mgral::domain {

// Pools and their images. Thread-safe. Every call is one transaction: it happens whole or not at
// all. Errors are those of server/base/errors.h; UNAVAILABLE when the database cannot be reached.
class PoolStore {
 public:
  virtual ~PoolStore() = default;

  // Errors: ALREADY_EXISTS when pool_id is taken.
  virtual absl::StatusOr<Pool> CreatePool(const Pool& pool, const RequestKey& request) = 0;
  virtual absl::StatusOr<Pool> GetPool(const std::string& pool_id) = 0;
  // Those of `scope` only.
  virtual absl::StatusOr<Page<Pool>> ListPools(const PageRequest& page, const PoolScope& scope) = 0;
  // Errors: FAILED_PRECONDITION "CYCLE_RUNNING" unless force.
  virtual absl::Status DeletePool(const std::string& pool_id, bool force) = 0;

  struct Registered {
    int64_t registered = 0;
    int64_t existing = 0;  // were there already, as under RegisterImages
  };
  // All or none. An image_id that is there with the same source and use is left as it is, and one
  // that has labels keeps its use, whichever is asked for: labels may have changed it. Errors:
  // ALREADY_EXISTS (field "images[i].image_id") when it is there with another source, or without
  // labels with another use; INVALID_ARGUMENT when it is repeated in `images`.
  virtual absl::StatusOr<Registered> RegisterImages(int64_t pool_key,
                                                    absl::Span<const NewImage> images,
                                                    const RequestKey& request) = 0;
  virtual absl::StatusOr<Image> GetImage(int64_t pool_key, const std::string& image_id) = 0;
  // In the order asked; images that don't exist are left out.
  virtual absl::StatusOr<std::vector<Image>> GetImages(int64_t pool_key,
                                                       const std::vector<std::string>& ids) = 0;
  virtual absl::StatusOr<Page<Image>> ListImages(int64_t pool_key, const PageRequest& page,
                                                 std::optional<ImageState> state,
                                                 std::optional<ImageUse> use) = 0;

  // What cycles work on, by ascending key, from after `after_key`, at most `limit`.
  // Labeled images of one use with their newest boxes.
  struct LabeledImage {
    Image image;
    std::vector<Box> boxes;
  };
  virtual absl::StatusOr<std::vector<LabeledImage>> LabeledImages(int64_t pool_key, ImageUse use,
                                                                  int64_t after_key, int limit) = 0;
  // Training images that are not labeled and not rejected (unlabeled or leased).
  virtual absl::StatusOr<std::vector<Image>> UnlabeledImages(int64_t pool_key, int64_t after_key,
                                                             int limit) = 0;
  // A worker found that the image cannot be used: it cannot be decoded, or does not fit its labels.
  // It becomes REJECTED, also with labels, which stay and count again when newer ones bring it
  // back. Does nothing if its labels are not those of `label_revision` any more (0: none).
  virtual absl::Status RejectImage(int64_t image_key, int64_t label_revision,
                                   const std::string& reason) = 0;
};

}  // namespace mgral::domain
