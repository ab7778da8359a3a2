#include "absl/time/clock.h"
#include "server/cycle/stages.h"
#include "server/domain/strategy.h"

namespace mgral::cycle {
namespace {

bool WantsTable(const StageContext& stage, const TrainedCycle& trained) {
  const auto strategy = domain::StrategyNamed(stage.cycle.pool.selection.strategy);
  return !stage.cycle.cycle.without_table && !trained.cold_start && strategy &&
         domain::InfoOf(*strategy).needs_table;
}

}  // namespace

StageResult RunEmbed(const StageContext& stage) {
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const std::vector<domain::Image> images,
                         LoadRecord(stage.ports, stage.job.payload, ParseImages));
  MGRAL_ASSIGN_OR_RETURN(const std::string weights,
                         stage.ports.artifacts->PathOf(trained.weights_sha256));
  const absl::Time begin = absl::Now();
  MGRAL_ASSIGN_OR_RETURN(const std::vector<domain::ImageSignals> signals,
                         stage.ports.detector->Embed(weights, images, stage.progress));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::vector<domain::LeftOutImage> left_out;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string& error = signals.at(i).error;
    if (error.empty()) continue;
    MGRAL_RETURN_IF_ERROR(
        stage.ports.pools->RejectImage(images[i].key, images[i].label_revision, error));
    left_out.push_back({images[i].key, images[i].image_id, error});
  }
  if (!left_out.empty()) {
    MGRAL_RETURN_IF_ERROR(stage.ports.cycles->LeaveOut(stage.job, left_out));
  }
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, PutRecord(stage, SerializeSignals(signals)));
  outcome.metrics = {{"images", static_cast<double>(images.size())},
                     {"undecodable", static_cast<double>(left_out.size())}};
  if (seconds > 0) outcome.metrics.emplace_back("images_per_second", images.size() / seconds);
  const bool table = WantsTable(stage, trained);
  outcome.next = {{table ? domain::JobKind::kPlan : domain::JobKind::kSelector, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
