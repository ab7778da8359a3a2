#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "server/domain/image_loader.h"

namespace mgral::runtime {

// A decoded image, reduced; the tensor is shared and must not be written to.
struct CachedImage {
  at::Tensor pixels;  // uint8 [3, H, W], RGB
  int original_width = 0, original_height = 0;
  std::string content;  // names `pixels`: a hash of them; empty from ToTensor
};

CachedImage ToTensor(const domain::Pixels& pixels);
CachedImage Named(CachedImage image);  // with its content

// Whether an error of ImageLoader is about what the image holds, so that work goes on without it.
bool IsOfImage(const absl::Status& error);

// Decoded and reduced images, the least recently used dropped beyond a number of bytes; shared by
// all stages, so that training and the probes decode each image once. Thread-safe; decoding happens
// outside the lock.
class ImageCache {
 public:
  ImageCache(domain::ImageLoader* loader, int64_t max_bytes);

  // Errors as ImageLoader::Load.
  absl::StatusOr<CachedImage> Get(const domain::ImageSource& source, int max_side);
  // The same, read anew: the file may have been replaced or damaged. Errors, and turns of many
  // callers, as ImageLoader::LoadInTurn.
  absl::StatusOr<CachedImage> Reload(const domain::CallContext& call,
                                     const domain::ImageSource& source, int max_side);

 private:
  using Key = std::tuple<int, std::string, bool, int>;  // kind, location, oriented, max_side
  struct Entry {
    Key key;
    CachedImage image;
  };
  void Insert(const Key& key, const CachedImage& image);

  domain::ImageLoader* loader_;
  const int64_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::map<Key, std::list<Entry>::iterator> index_;
  int64_t bytes_ = 0;
};

}  // namespace mgral::runtime
