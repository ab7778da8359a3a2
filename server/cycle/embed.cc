#include "absl/time/clock.h"
#include "server/cycle/stages.h"

namespace mgral::cycle {
namespace {

bool WantsTable(const StageContext& stage, const TrainedCycle& trained) {
  const std::string& strategy = stage.cycle.pool.selection.strategy;
  return !stage.cycle.cycle.without_table && !trained.cold_start &&
         (strategy == "mgral" || strategy == "lookup_greedy");
}

}  // namespace

StageResult RunEmbed(const StageContext& stage) {
  const auto trained = LoadTrained(stage);
  if (!trained.ok()) return trained.status();
  const auto list = stage.ports.artifacts->Get(stage.job.payload);
  if (!list.ok()) return list.status();
  const auto images = ReadImages(*list);
  if (!images.ok()) return images.status();
  const auto weights = stage.ports.artifacts->PathOf(trained->weights_sha256);
  if (!weights.ok()) return weights.status();
  const absl::Time begin = absl::Now();
  const auto signals = stage.ports.runtime->Embed(*weights, *images, stage.progress);
  if (!signals.ok()) return signals.status();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  double rejected = 0;
  for (const domain::ImageSignals& image : *signals) {
    if (image.error.empty()) continue;
    const absl::Status status = stage.ports.pools->RejectImage(image.image_key, image.error);
    if (!status.ok()) return status;
    ++rejected;
  }
  const auto sha256 = stage.ports.artifacts->Put(WriteSignals(*signals));
  if (!sha256.ok()) return sha256.status();
  StageOutcome outcome;
  outcome.result = *sha256;
  outcome.metrics = {{"images", static_cast<double>(images->size())}, {"undecodable", rejected}};
  if (seconds > 0) outcome.metrics.emplace_back("images_per_second", images->size() / seconds);
  const bool table = WantsTable(stage, *trained);
  outcome.next = {{table ? domain::JobKind::kPlan : domain::JobKind::kSelector, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
