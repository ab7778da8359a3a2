#pragma once

#include "absl/status/statusor.h"
#include "client/cpp/command/session.h"
#include "client/cpp/lib/client.h"

namespace mgral::client {

// The batch as a COCO document for annotation tools: its images with their sizes, the
// detector's boxes (with scores) as annotations to start from, the pool's classes as categories,
// from id 1. Boxes below `min_score` are left out. "mgral_image_id" holds an image's id, by which
// labels made from the file find their image again; where a tool drops it, "file_name" does (`mgral
// label --coco`). Asks the server for the pool and for each image.
absl::StatusOr<Json> BatchAsCoco(const v1::Batch& batch, double min_score, Client& client);

}  // namespace mgral::client
