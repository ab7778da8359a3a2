// The images that the strategies picked, batch by batch, with their true boxes.
#pragma once

#include <string>

#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

struct GalleryOptions {
  // All thumbnails together; about 6 kB each in the file.
  int most_tiles = 480;
  int thumbnail_pixels = 176;  // of the longer side
};

// HTML. Shows the runs of the first seed. Without a dataset, or where an image is not in it,
// the image's id stands for it. "" when no batch was picked.
std::string Gallery(const Results& results, const Dataset* dataset,
                    const GalleryOptions& options = {});

}  // namespace mgral::client
