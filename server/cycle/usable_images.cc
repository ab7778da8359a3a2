#include "server/cycle/usable_images.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::LeftOutImage;

// What is wrong with an image now; OK if nothing is.
absl::Status Check(domain::ImageLoader* loader, const Image& image) {
  MGRAL_ASSIGN_OR_RETURN(const domain::ImageHeader now, loader->Verify({}, image.source));
  const bool known = image.width > 0 && image.height > 0;
  if (image.label_revision == 0 || !known) return absl::OkStatus();
  if (now.width == image.width && now.height == image.height) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the file has ", now.width, " x ", now.height,
                                                 " pixels now, its labels were given for ",
                                                 image.width, " x ", image.height));
}

// Two in a hundred addresses may be dead; if more are, their server is.
bool TooMany(size_t unreachable, size_t images) {
  return unreachable > std::max<size_t>(3, images / 50) || unreachable == images;
}

absl::Status Unreachable(const std::vector<LeftOutImage>& images) {
  const std::string others =
      images.size() > 1 ? absl::StrCat(" (and ", images.size() - 1, " more)") : "";
  return base::Unavailable(
      absl::StrCat("image ", images.front().image_id, others, ": ", images.front().reason),
      absl::Seconds(1));
}

}  // namespace

bool MayComeFromAnImage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsDataLoss(status);
}

absl::Status NameLeftOut(const StageContext& stage, const std::vector<LeftOutImage>& images) {
  return images.empty() ? absl::OkStatus() : stage.ports.cycles->LeaveOut(stage.job, images);
}

absl::StatusOr<std::vector<bool>> FindUsable(const StageContext& stage,
                                             const std::vector<const Image*>& images) {
  std::vector<bool> usable(images.size(), true);
  std::vector<LeftOutImage> left_out, unreachable;
  std::vector<std::pair<const Image*, std::string>> rejected;
  for (size_t i = 0; i < images.size(); ++i) {
    if (stage.progress && !stage.progress(0)) {
      return absl::CancelledError("the work was asked to stop");
    }
    const absl::Status status = Check(stage.ports.images, *images[i]);
    if (status.ok()) continue;
    const bool bad = absl::IsInvalidArgument(status);
    if (!bad && !MayComeFromAnImage(status)) return status;
    usable[i] = false;
    left_out.push_back({images[i]->key, images[i]->image_id, std::string(status.message())});
    if (bad) rejected.emplace_back(images[i], left_out.back().reason);
    if (!bad && !absl::IsDataLoss(status)) unreachable.push_back(left_out.back());
  }
  if (!unreachable.empty() &&
      (stage.job.retries + 1 < kImageTries || TooMany(unreachable.size(), images.size()))) {
    return Unreachable(unreachable);
  }
  for (const auto& [image, reason] : rejected) {
    MGRAL_RETURN_IF_ERROR(
        stage.ports.pools->RejectImage(image->key, image->label_revision, reason));
  }
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, left_out));
  return usable;
}

absl::Status KeepUsable(const StageContext& stage, std::vector<domain::Example>* examples) {
  std::vector<const Image*> images;
  for (const domain::Example& example : *examples) images.push_back(&example.image);
  MGRAL_ASSIGN_OR_RETURN(const std::vector<bool> usable, FindUsable(stage, images));
  std::vector<domain::Example> kept;
  for (size_t i = 0; i < usable.size(); ++i) {
    if (usable[i]) kept.push_back(std::move((*examples)[i]));
  }
  *examples = std::move(kept);
  return absl::OkStatus();
}

}  // namespace mgral::cycle
