#include "client/cpp/simulate/best_of.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/simulate/cycle_figures.h"
#include "client/cpp/simulate/pool_work.h"
#include "client/cpp/synth/seeded_random.h"

namespace mgral::client {
namespace {

constexpr uint64_t kTrialStream = uint64_t{1} << 32;  // and the number of labels

// The validation mAP@.5 of a detector trained on these images.
absl::StatusOr<double> TryLabels(Client& client, const TrialRequest& request,
                                 const std::vector<int>& labels, const std::string& pool,
                                 const std::function<void(const std::string&)>& doing,
                                 StageSeconds* seconds) {
  const absl::Status status =
      FillPool(client, pool, request.dataset, {labels, request.partition.validation, labels},
               request.options.server_path);
  if (!status.ok()) return status;
  const absl::StatusOr<v1::Cycle> cycle =
      RunCycle(client, pool, /*with_table=*/false,
               absl::StrCat("a batch that best_of tries, seed ", request.seed), doing);
  if (!cycle.ok()) return cycle.status();
  AddStageSeconds(*cycle, seconds);
  return cycle->map50();
}

}  // namespace

absl::StatusOr<std::vector<int>> PickBestOf(Client& client, const TrialRequest& request,
                                            const std::function<void(const std::string&)>& doing,
                                            StageSeconds* seconds) {
  const std::set<int> labeled(request.labeled.begin(), request.labeled.end());
  std::vector<int> left, best;
  for (int position : request.partition.train) {
    if (labeled.count(position) == 0) left.push_back(position);
  }
  const size_t size = std::min(left.size(), static_cast<size_t>(request.options.batch));
  SeededRandom random(static_cast<uint64_t>(request.seed), kTrialStream + labeled.size());
  double most = 0;
  for (int trial = 1; trial <= kBatchesTried && size > 0; ++trial) {
    random.Shuffle(left);
    std::vector<int> batch(left.begin(), left.begin() + static_cast<long>(size));
    std::vector<int> labels = request.labeled;
    labels.insert(labels.end(), batch.begin(), batch.end());
    v1::CreatePoolRequest create;
    *create.mutable_pool() = PoolFor(request.options, request.dataset, kBestOf, request.seed);
    const absl::StatusOr<v1::Pool> pool = client.CreatePool(std::move(create));
    if (!pool.ok()) return pool.status();
    const absl::StatusOr<double> map50 = TryLabels(
        client, request, labels, pool->name(),
        [&](const std::string& stage) {
          if (doing) doing(absl::StrCat("batch ", trial, " of ", kBatchesTried, ": ", stage));
        },
        seconds);
    if (!map50.ok()) return map50.status();
    if (!request.options.keep_pools) {
      absl::Status status = client.DeletePool(pool->name(), /*force=*/true);
      if (!status.ok()) return status;
    }
    if (trial == 1 || *map50 > most) {
      most = *map50;
      best = std::move(batch);
    }
  }
  return best;
}

}  // namespace mgral::client
