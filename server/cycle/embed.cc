// kEmbed, one job per 500 images. Reads TrainedCycle, its weights, and Images (its payload). Leaves
// an artifact of Signals. Decides whether this cycle makes a table.
#include "absl/time/clock.h"
#include "server/cycle/stages.h"
#include "server/cycle/usable_images.h"
#include "server/domain/strategy.h"

namespace mgral::cycle {
namespace {

bool NeedsTable(const StageContext& stage, const TrainedCycle& trained) {
  const auto strategy = domain::StrategyNamed(stage.cycle.pool.selection.strategy);
  return !stage.cycle.cycle.without_table && !trained.cold_start && strategy &&
         domain::InfoOf(*strategy).needs_table;
}

using Signals = std::vector<domain::ImageSignals>;

// Embeds the images. What cannot be decoded is rejected; `left_out` counts it.
absl::StatusOr<Signals> Embed(const StageContext& stage, const std::string& weights,
                              const std::vector<domain::Image>& images, int64_t* left_out) {
  MGRAL_ASSIGN_OR_RETURN(Signals signals,
                         stage.ports.detector->Embed(weights, images, stage.progress));
  std::vector<domain::LeftOutImage> undecodable;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string& error = signals.at(i).error;
    if (error.empty()) continue;
    MGRAL_RETURN_IF_ERROR(
        stage.ports.pools->RejectImage(images[i].key, images[i].label_revision, error));
    undecodable.push_back({images[i].key, images[i].image_id, error});
  }
  MGRAL_RETURN_IF_ERROR(NameLeftOut(stage, undecodable));
  *left_out += static_cast<int64_t>(undecodable.size());
  return signals;
}

// The same without the images that are missing: they have no signals, rejected ones an error.
absl::StatusOr<Signals> EmbedUsable(const StageContext& stage, const TrainedCycle& trained,
                                    const std::string& weights,
                                    const std::vector<domain::Image>& images, int64_t* left_out) {
  auto done = Embed(stage, weights, images, left_out);
  if (!MayComeFromAnImage(done.status())) return done;
  std::vector<const domain::Image*> all;
  for (const domain::Image& image : images) all.push_back(&image);
  MGRAL_ASSIGN_OR_RETURN(const std::vector<Usability> usable,
                         FindUsable(stage, all, static_cast<size_t>(trained.inputs.images)));
  std::vector<domain::Image> kept;
  Signals rejected;
  for (size_t i = 0; i < images.size(); ++i) {
    if (usable[i] == Usability::kUsable) kept.push_back(images[i]);
    if (usable[i] != Usability::kRejected) continue;
    rejected.emplace_back();
    rejected.back().image_key = images[i].key;
    rejected.back().error = "rejected";
  }
  *left_out += static_cast<int64_t>(images.size() - kept.size());
  done = Embed(stage, weights, kept, left_out);
  MGRAL_RETURN_IF_ERROR(ToBeTriedAgain(done.status()));
  done->insert(done->end(), rejected.begin(), rejected.end());
  return done;
}

}  // namespace

StageResult RunEmbed(const StageContext& stage) {
  if (stage.cycle.pool.detector.external()) {  // the payload is of Signals already
    StageOutcome outcome;
    outcome.result = stage.job.payload;
    outcome.next = {{domain::JobKind::kSelector, 0, ""}};
    return outcome;
  }
  MGRAL_ASSIGN_OR_RETURN(const TrainedCycle trained, LoadTrained(stage));
  MGRAL_ASSIGN_OR_RETURN(const std::vector<domain::Image> images,
                         LoadRecord(stage.ports, stage.job.payload, ParseImages));
  MGRAL_ASSIGN_OR_RETURN(const std::string weights,
                         stage.ports.artifacts->PathOf(trained.weights_sha256));
  const absl::Time begin = absl::Now();
  int64_t left_out = 0;
  MGRAL_ASSIGN_OR_RETURN(const Signals signals,
                         EmbedUsable(stage, trained, weights, images, &left_out));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  StageOutcome outcome;
  MGRAL_ASSIGN_OR_RETURN(outcome.result, PutArtifact(stage, SerializeSignals(signals)));
  outcome.metrics = {{"images", static_cast<double>(images.size())},
                     {"left_out", static_cast<double>(left_out)}};
  if (seconds > 0) outcome.metrics.emplace_back("images_per_second", images.size() / seconds);
  const bool needs_table = NeedsTable(stage, trained);
  outcome.next = {{needs_table ? domain::JobKind::kPlan : domain::JobKind::kSelector, 0, ""}};
  return outcome;
}

}  // namespace mgral::cycle
