#include "server/cycle/usable_images.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/for_each.h"
#include "server/domain/image_fault.h"

namespace mgral::cycle {
namespace {

using domain::Image;
using domain::ImageFault;
using domain::LeftOutImage;

constexpr int kChecksAtOnce = 8;
constexpr double kCheckShare = 0.05;   // of the stage's progress
constexpr size_t kFewUnreachable = 3;  // are enough to try again later

// What is wrong with an image now; OK if nothing is.
absl::Status Check(const StageContext& stage, const domain::CallContext& call, const Image& image) {
  MGRAL_ASSIGN_OR_RETURN(
      const domain::ImageHeader now,
      stage.ports.detector->Prepare(call, stage.cycle.pool.detector, image.source));
  const bool known = image.width > 0 && image.height > 0;
  if (image.label_revision == 0 || !known) return absl::OkStatus();
  if (now.width == image.width && now.height == image.height) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the file has ", now.width, " x ", now.height,
                                                 " pixels now, its labels were given for ",
                                                 image.width, " x ", image.height));
}

// Checks images side by side, until all are checked or it is known that the cycle cannot go on.
class ImageCheck {
 public:
  ImageCheck(const StageContext& stage, const std::vector<const Image*>& images, size_t whole)
      : stage_(stage),
        images_(images),
        most_missing_(MostMissing(std::max(whole, images.size()))),
        statuses_(images.size()) {}

  // What is wrong with each image, as far as they were checked.
  absl::StatusOr<std::vector<absl::Status>> Run() {
    domain::CallContext call;
    call.canceled = [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      return !GoOn();
    };
    const absl::Status status = base::ForEach(images_.size(), kChecksAtOnce, [&](size_t i) {
      return Note(i, Check(stage_, call, *images_[i]));
    });
    if (!status.ok() && !enough_) return status;
    return std::move(statuses_);
  }
  bool TooMany(size_t missing) const { return missing > most_missing_; }
  bool LastTry() const { return stage_.job.retries.images + 1 >= kImageTries; }
  size_t most_missing() const { return most_missing_; }

 private:
  // With the lock.
  bool GoOn() {
    const double done = static_cast<double>(checked_) / static_cast<double>(images_.size());
    stopped_ = stopped_ || (stage_.progress && !stage_.progress(kCheckShare * done));
    return !stopped_ && !enough_;
  }

  absl::Status Note(size_t i, const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++checked_;
    const bool go_on = GoOn();
    if (stopped_) return absl::CancelledError("the work was asked to stop");
    if (!go_on) return absl::CancelledError("another image ended the check");
    if (status.ok()) return status;
    const ImageFault fault = domain::FaultOf(status);
    const std::string named = absl::StrCat("image ", images_[i]->image_id, ": ", status.message());
    if (fault == ImageFault::kConfiguration) {
      return base::FailedPrecondition("SERVER_NOT_CONFIGURED", named);
    }
    if (fault == ImageFault::kNone) return absl::Status(status.code(), named);
    statuses_[i] = status;
    if (fault == ImageFault::kContent) return absl::OkStatus();
    ++missing_;
    unreachable_ += fault == ImageFault::kUnreachable ? 1 : 0;
    enough_ = TooMany(missing_) || (!LastTry() && unreachable_ >= kFewUnreachable);
    if (enough_) return absl::CancelledError("too many images are missing");
    return absl::OkStatus();
  }

  const StageContext& stage_;
  const std::vector<const Image*>& images_;
  const size_t most_missing_;
  std::mutex mutex_;  // also of the stage's progress
  std::vector<absl::Status> statuses_;
  size_t checked_ = 0, missing_ = 0, unreachable_ = 0;
  bool stopped_ = false, enough_ = false;
};

// An error about images whose addresses may answer later.
absl::Status Unreachable(const std::string& message) {
  return WithFault(base::Unavailable(message, absl::Seconds(1)), ImageFault::kUnreachable);
}

std::string Describe(const std::vector<LeftOutImage>& images) {
  const std::string others =
      images.size() > 1 ? absl::StrCat(" (and ", images.size() - 1, " more)") : "";
  return absl::StrCat("image ", images.front().image_id, others, ": ", images.front().reason);
}

// The error of a check that found these missing; OK if the cycle goes on without them.
absl::Status Judge(const ImageCheck& check, const std::vector<LeftOutImage>& missing,
                   const std::vector<LeftOutImage>& unreachable) {
  const bool too_many = check.TooMany(missing.size());
  const std::string limit =
      too_many ? absl::StrCat("; a cycle goes on without at most ", check.most_missing()) : "";
  if (!unreachable.empty() && (too_many || !check.LastTry())) {
    return Unreachable(absl::StrCat(Describe(too_many ? missing : unreachable), limit));
  }
  if (too_many) {
    return base::FailedPrecondition("IMAGES_MISSING", absl::StrCat(Describe(missing), limit));
  }
  return absl::OkStatus();
}

}  // namespace

size_t MostMissing(size_t images) { return std::max<size_t>(3, images / 50); }

bool MayComeFromAnImage(const absl::Status& status) {
  const ImageFault fault = domain::FaultOf(status);
  return fault == ImageFault::kMissing || fault == ImageFault::kUnreachable ||
         fault == ImageFault::kConfiguration;
}

absl::Status ToBeTriedAgain(const absl::Status& status) {
  if (!MayComeFromAnImage(status) || absl::IsDataLoss(status)) return status;
  return Unreachable(std::string(status.message()));
}

absl::Status NameLeftOut(const StageContext& stage, const std::vector<LeftOutImage>& images) {
  return images.empty() ? absl::OkStatus() : stage.ports.cycles->LeaveOut(stage.job, images);
}

absl::StatusOr<std::vector<Usability>> FindUsable(const StageContext& stage,
                                                  const std::vector<const Image*>& images,
                                                  size_t whole) {
  ImageCheck check(stage, images, whole);
  MGRAL_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses, check.Run());
  std::vector<Usability> usable(images.size(), Usability::kUsable);
  std::vector<LeftOutImage> left_out, missing, unreachable;
  for (size_t i = 0; i < images.size(); ++i) {
    if (statuses[i].ok()) continue;
    left_out.push_back({images[i]->key, images[i]->image_id, std::string(statuses[i].message())});
    const ImageFault fault = domain::FaultOf(statuses[i]);
    usable[i] = fault == ImageFault::kContent ? Usability::kRejected : Usability::kMissing;
    if (usable[i] == Usability::kMissing) missing.push_back(left_out.back());
    if (fault == ImageFault::kUnreachable) unreachable.push_back(left_out.back());
  }
  MGRAL_RETURN_IF_ERROR(Judge(check, missing, unreachable));
  for (size_t i = 0; i < images.size(); ++i) {
    if (usable[i] != Usability::kRejected) continue;
    MGRAL_RETURN_IF_ERROR(stage.ports.pools->RejectImage(images[i]->key, images[i]->label_revision,
                                                         std::string(statuses[i].message())));
  }
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, left_out));
  return usable;
}

absl::Status KeepUsable(const StageContext& stage,
                        const std::vector<std::vector<domain::Example>*>& lists) {
  std::vector<const Image*> images;
  for (const auto* list : lists) {
    for (const domain::Example& example : *list) images.push_back(&example.image);
  }
  MGRAL_ASSIGN_OR_RETURN(const std::vector<Usability> usable,
                         FindUsable(stage, images, images.size()));
  size_t next = 0;
  for (auto* list : lists) {
    std::vector<domain::Example> kept;
    const domain::Example* missing = nullptr;
    for (domain::Example& example : *list) {
      const Usability use = usable[next++];
      if (use == Usability::kMissing) missing = &example;
      if (use == Usability::kUsable) kept.push_back(std::move(example));
    }
    if (list == lists.front() && kept.empty() && missing != nullptr) {
      return base::FailedPrecondition(
          "IMAGES_MISSING",
          absl::StrCat("none of the ", list->size(), " labeled images can be read, for one image ",
                       missing->image.image_id));
    }
    *list = std::move(kept);
  }
  return absl::OkStatus();
}

}  // namespace mgral::cycle
