#include "server/app/register_images.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/field_errors.h"
#include "server/app/item_errors.h"
#include "server/app/parallel.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

using domain::NewImage;
using Registered = domain::PoolStore::Registered;

// What can be seen without opening anything.
absl::Status CheckForm(const ImageInput& input, bool first_of_its_id) {
  FieldErrors errors;
  const std::string id_problem = ImageIdProblem(input.image_id);
  if (!id_problem.empty()) errors.Add("image_id", id_problem);
  if (id_problem.empty() && !first_of_its_id) {
    errors.Add("image_id",
               absl::StrCat(base::Quoted(input.image_id), " is listed twice in this call"));
  }
  CheckSourceForm(input, "", &errors);
  if (!input.problem.ok()) errors.AddStatus("", input.problem);
  return errors.ToStatus();
}

absl::Status NoteHeader(const absl::StatusOr<domain::ImageHeader>& header, NewImage* image) {
  if (!header.ok()) return header.status();
  image->width = header->width;
  image->height = header->height;
  image->note = header->note;
  return absl::OkStatus();
}

// `image`, its bytes now in the artifact store.
void Refer(std::string sha256, NewImage* image) {
  image->source.kind = domain::ImageSource::Kind::kArtifact;
  image->source.location = std::move(sha256);
}

bool SameSource(const domain::ImageSource& a, const domain::ImageSource& b) {
  return a.kind == b.kind && a.location == b.location;
}

}  // namespace

absl::Status RegisterImages::Inspect(const domain::CallContext& call, const ImageInput& input,
                                     Verification verification, NewImage* image) {
  if (input.given == ImageInput::Given::kData) {
    const auto header = loader_->VerifyBytes(input.data, image->source.oriented);
    return NoteHeader(header, image);
  }
  if (verification == Verification::kNone) return absl::OkStatus();
  return NoteHeader(verification == Verification::kHeader ? loader_->ReadHeader(call, image->source)
                                                          : loader_->Verify(call, image->source),
                    image);
}

absl::StatusOr<std::vector<RegisterImages::Examined>> RegisterImages::Examine(
    const domain::CallContext& call, const domain::Pool& pool, absl::Span<const ImageInput> images,
    Verification verification) {
  std::vector<Examined> examined(images.size());
  std::map<std::string, size_t> index_of;
  std::vector<std::string> ids;
  for (size_t i = 0; i < images.size(); ++i) {
    const bool first = index_of.emplace(images[i].image_id, i).second;
    examined[i].status = CheckForm(images[i], first);
    examined[i].image.image_id = images[i].image_id;
    examined[i].image.use = images[i].use;
    examined[i].image.source = SourceOf(images[i], pool.applies_exif_orientation);
    if (examined[i].status.ok()) ids.push_back(images[i].image_id);
  }

  MGRAL_ASSIGN_OR_RETURN(const auto registered, pools_->GetImages(pool.key, ids));
  std::vector<bool> known(images.size());
  for (const domain::Image& image : registered) {
    const size_t i = index_of.at(image.image_id);
    known[i] = images[i].given != ImageInput::Given::kData &&
               SameSource(examined[i].image.source, image.source);
    examined[i].image.width = image.width;
    examined[i].image.height = image.height;
  }
  ImagesToInspect to_inspect;
  for (size_t i = 0; i < images.size(); ++i) {
    if (known[i] || !examined[i].status.ok()) continue;
    const bool fetched = images[i].given == ImageInput::Given::kUri;
    (fetched ? to_inspect.fetched : to_inspect.local).push_back(i);
  }
  const absl::Status inspected = InspectEach(call, to_inspect, threads_, [&](size_t i) {
    examined[i].status = Inspect(call, images[i], verification, &examined[i].image);
    return examined[i].status;
  });
  if (!inspected.ok()) return inspected;
  return examined;
}

absl::StatusOr<Registered> RegisterImages::RegisterAll(const domain::CallContext& call,
                                                       const domain::Pool& pool,
                                                       absl::Span<const ImageInput> images,
                                                       Verification verification,
                                                       const domain::RequestKey& request) {
  MGRAL_ASSIGN_OR_RETURN(auto examined, Examine(call, pool, images, verification));
  FieldErrors errors;
  for (size_t i = 0; i < images.size(); ++i) {
    const absl::Status& status = examined[i].status;
    if (!status.ok()) errors.AddStatus(absl::StrCat("images[", i, "]."), status);
  }
  if (!errors.empty()) return errors.ToStatus();

  std::vector<NewImage> rows;
  for (size_t i = 0; i < images.size(); ++i) {
    NewImage& row = examined[i].image;
    if (images[i].given == ImageInput::Given::kData) {
      MGRAL_ASSIGN_OR_RETURN(auto sha256, artifacts_->Put(images[i].data));
      Refer(std::move(sha256), &row);
    }
    rows.push_back(std::move(row));
  }
  return pools_->RegisterImages(pool.key, rows, request);
}

absl::StatusOr<RegisterImages::Chunk> RegisterImages::RegisterValid(
    const domain::CallContext& call, const domain::Pool& pool, absl::Span<const ImageInput> images,
    Verification verification) {
  MGRAL_ASSIGN_OR_RETURN(auto examined, Examine(call, pool, images, verification));
  Chunk chunk;
  std::vector<size_t> good;
  for (size_t i = 0; i < images.size(); ++i) {
    Examined& one = examined[i];
    if (!one.status.ok()) {
      chunk.refused.push_back(RefusalOf(i, one.status));
      continue;
    }
    if (images[i].given == ImageInput::Given::kData) {
      MGRAL_ASSIGN_OR_RETURN(auto sha256, artifacts_->Put(images[i].data));
      Refer(std::move(sha256), &one.image);
    }
    good.push_back(i);
  }
  const absl::Status stored =
      StoreValid("images", std::move(good), &chunk.refused, [&](const std::vector<size_t>& left) {
        std::vector<NewImage> rows;
        for (const size_t i : left) rows.push_back(examined[i].image);
        const auto counts = pools_->RegisterImages(pool.key, rows, {});
        if (counts.ok()) chunk.counts = *counts;
        return counts.status();
      });
  if (!stored.ok()) return stored;
  return chunk;
}

}  // namespace mgral::app
