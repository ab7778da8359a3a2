#include "server/app/parallel.h"

#include "server/app/item_errors.h"
#include "server/base/for_each.h"

namespace mgral::app {
namespace {

constexpr int kFetchesPerCall = 8;

}  // namespace

absl::Status InspectEach(const domain::CallContext& call, const ImagesToInspect& images,
                         int threads, const std::function<absl::Status(size_t)>& inspect) {
  const auto each = [&](const std::vector<size_t>& positions, int at_once) {
    return base::ForEach(positions.size(), at_once, [&](size_t i) {
      absl::Status status = call.Check();
      if (status.ok()) status = inspect(positions[i]);
      return IsItemError(status) ? absl::OkStatus() : status;
    });
  };
  const absl::Status status = each(images.local, threads);
  return status.ok() ? each(images.fetched, kFetchesPerCall) : status;
}

}  // namespace mgral::app
