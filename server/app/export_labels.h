#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/domain/image_loader.h"
#include "server/domain/pool_store.h"

namespace mgral::app {

// Takes the next piece of a file; false when the client is gone.
using WriteChunk = std::function<bool(absl::string_view)>;

// Writes the labels of a pool as one COCO detection file, in pieces of about 256 KiB, whatever the
// pool's size. Ids of images and annotations count from 1, category ids follow the class list from
// 1. Hard objects have "ignore": 1 (and "iscrowd": 0). Each image also carries "mgral_image_id" and
// "mgral_use". Rejected images are left out; labels that come in meanwhile may be, too. Errors:
// CANCELLED when `write` gives false, and the call's own.
absl::Status ExportCoco(const domain::CallContext& call, domain::PoolStore* pools,
                        domain::ImageLoader* loader, const domain::Pool& pool,
                        const WriteChunk& write);

}  // namespace mgral::app
