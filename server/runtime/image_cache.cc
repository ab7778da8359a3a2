#include "server/runtime/image_cache.h"

#include <ATen/ATen.h>

#include "server/domain/image_fault.h"
#include "server/runtime/digest.h"

namespace mgral::runtime {

CachedImage Named(CachedImage image) {
  image.content = Digest().Add(image.pixels).Hex();
  return image;
}

CachedImage ToTensor(const domain::Pixels& pixels) {
  const at::Tensor interleaved = at::from_blob(const_cast<uint8_t*>(pixels.rgb.data()),
                                               {pixels.height, pixels.width, 3}, at::kByte);
  return {interleaved.permute({2, 0, 1}).clone(at::MemoryFormat::Contiguous),
          pixels.original_width,
          pixels.original_height,
          {}};
}

bool IsOfImage(const absl::Status& error) {
  return domain::FaultOf(error) == domain::ImageFault::kContent;
}

ImageCache::ImageCache(domain::ImageLoader* loader, int64_t max_bytes)
    : loader_(loader), max_bytes_(max_bytes) {}

absl::StatusOr<CachedImage> ImageCache::Get(const domain::ImageSource& source, int max_side) {
  const Key key(static_cast<int>(source.kind), source.location, source.oriented, max_side);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->image;
    }
  }
  const absl::StatusOr<domain::Pixels> pixels = loader_->Load({}, source, max_side);
  if (!pixels.ok()) return pixels.status();
  const CachedImage image = Named(ToTensor(*pixels));
  Insert(key, image);
  return image;
}

absl::StatusOr<CachedImage> ImageCache::Reload(const domain::CallContext& call,
                                               const domain::ImageSource& source, int max_side) {
  const Key key(static_cast<int>(source.kind), source.location, source.oriented, max_side);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = index_.find(key);
    if (found != index_.end()) {
      bytes_ -= found->second->image.pixels.numel();
      entries_.erase(found->second);
      index_.erase(found);
    }
  }
  const absl::StatusOr<domain::Pixels> pixels = loader_->LoadInTurn(call, source, max_side);
  if (!pixels.ok()) return pixels.status();
  const CachedImage image = Named(ToTensor(*pixels));
  Insert(key, image);
  return image;
}

void ImageCache::Insert(const Key& key, const CachedImage& image) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (image.pixels.numel() > max_bytes_ || index_.count(key) > 0) return;
  entries_.push_front({key, image});
  index_[key] = entries_.begin();
  bytes_ += image.pixels.numel();
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().image.pixels.numel();
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace mgral::runtime
