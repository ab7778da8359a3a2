#include "client/cpp/simulate/pool_work.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/simulate/cycle_figures.h"

namespace mgral::client {
namespace {

absl::Status RegisterImages(Client& client, const std::string& pool, const Dataset& dataset,
                            const PoolImages& images,
                            const std::optional<std::string>& server_path) {
  std::vector<std::pair<int, v1::ImageUse>> uses;
  for (int position : images.train) uses.emplace_back(position, v1::IMAGE_USE_TRAINING);
  for (int position : images.validation) uses.emplace_back(position, v1::IMAGE_USE_VALIDATION);
  size_t next = 0;
  const Source<v1::NewImage> source = [&]() -> absl::StatusOr<std::optional<v1::NewImage>> {
    if (next == uses.size()) return std::optional<v1::NewImage>();
    const auto& [position, use] = uses[next++];
    absl::StatusOr<v1::NewImage> image = ToNewImage(dataset.images[position], use, server_path);
    if (!image.ok()) return image.status();
    return std::optional<v1::NewImage>(*std::move(image));
  };
  absl::StatusOr<RegisterResult> result = client.RegisterImages(pool, source);
  if (!result.ok()) return result.status();
  if (result->refused.empty()) return absl::OkStatus();
  const v1::RefusedImage& first = result->refused.front();
  return absl::FailedPreconditionError(absl::StrCat("the server refused ", result->refused.size(),
                                                    " images, the first is ", first.image_id(),
                                                    " (", first.field(), "): ", first.reason()));
}

}  // namespace

absl::Status IngestTrueLabels(Client& client, const std::string& pool, const Dataset& dataset,
                              const std::vector<int>& positions, v1::ImageUse use,
                              const std::string& batch) {
  std::vector<v1::NewLabels> labels;
  for (int position : positions) {
    labels.push_back(ToNewLabels(dataset, dataset.images[position]));
    labels.back().set_use(use);
    labels.back().set_batch(batch);
  }
  absl::StatusOr<IngestResult> result = client.IngestLabels(pool, FromVector(std::move(labels)));
  if (!result.ok()) return result.status();
  if (result->refused.empty()) return absl::OkStatus();
  const v1::RefusedLabels& first = result->refused.front();
  return absl::FailedPreconditionError(absl::StrCat(
      "the server refused the labels of ", result->refused.size(), " images, the first is ",
      first.image_id(), " (", first.field(), "): ", first.reason()));
}

absl::Status FillPool(Client& client, const std::string& pool, const Dataset& dataset,
                      const PoolImages& images, const std::optional<std::string>& server_path) {
  absl::Status status = RegisterImages(client, pool, dataset, images, server_path);
  if (status.ok()) {
    status =
        IngestTrueLabels(client, pool, dataset, images.validation, v1::IMAGE_USE_VALIDATION, "");
  }
  if (!status.ok()) return status;
  return IngestTrueLabels(client, pool, dataset, images.labeled, v1::IMAGE_USE_TRAINING, "");
}

absl::StatusOr<v1::Cycle> RunCycle(Client& client, const std::string& pool, bool with_table,
                                   const std::string& what,
                                   const std::function<void(const std::string&)>& doing) {
  v1::StartCycleRequest request;
  request.set_parent(pool);
  request.set_without_table(!with_table);
  absl::StatusOr<v1::Cycle> cycle = client.StartCycle(std::move(request));
  if (!cycle.ok()) return cycle.status();
  cycle = client.WatchCycle(cycle->name(), [&](const v1::Cycle& news) {
    if (doing) doing(DescribeStage(news));
  });
  if (!cycle.ok()) return cycle.status();
  if (cycle->state() == v1::CYCLE_STATE_SUCCEEDED) return cycle;
  return absl::AbortedError(absl::StrCat(
      cycle->name(), " (", what, ") ",
      cycle->state() == v1::CYCLE_STATE_CANCELLED ? "was canceled" : "failed: ", cycle->error()));
}

}  // namespace mgral::client
