#include "client/cpp/simulate/cycle_figures.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mgral::client {

std::string DescribeStage(const v1::Cycle& cycle) {
  static const char* const kWords[] = {
      "waiting for a worker", "training",           "embedding", "probing",
      "fitting the table",    "ranking the images", "publishing"};
  const int stage = cycle.stage();
  std::string words = kWords[stage >= 0 && stage <= v1::CYCLE_STAGE_PUBLISH ? stage : 0];
  for (const v1::StageProgress& progress : cycle.stages()) {
    if (progress.stage() != cycle.stage()) continue;
    absl::StrAppend(&words, absl::StrFormat(" %.0f %%", 100 * progress.fraction()));
  }
  return words;
}

double SecondsOf(const v1::Cycle& cycle) {
  double seconds = 0;
  for (const v1::StageProgress& stage : cycle.stages()) seconds += stage.seconds();
  return seconds;
}

void AddStageSeconds(const v1::Cycle& cycle, StageSeconds* seconds) {
  for (const v1::StageProgress& stage : cycle.stages()) {
    switch (stage.stage()) {
      case v1::CYCLE_STAGE_TRAIN:
        seconds->train = seconds->train.value_or(0) + stage.seconds();
        break;
      case v1::CYCLE_STAGE_EMBED:
        seconds->embed = seconds->embed.value_or(0) + stage.seconds();
        break;
      case v1::CYCLE_STAGE_PROBE:
        seconds->probe = seconds->probe.value_or(0) + stage.seconds();
        break;
      case v1::CYCLE_STAGE_TABLE:
        seconds->table = seconds->table.value_or(0) + stage.seconds();
        break;
      case v1::CYCLE_STAGE_SELECTOR:
        seconds->selector = seconds->selector.value_or(0) + stage.seconds();
        break;
      default:
        break;
    }
  }
}

LookupRow TableRow(const v1::Cycle& cycle, const StrategyRun& run) {
  const v1::TableReport& table = cycle.table();
  const auto positive = [](double value) { return value > 0 ? Number(value) : Number(); };
  LookupRow row;
  row.seed = run.seed;
  row.cycle = static_cast<int64_t>(run.points.size());
  row.strategy = run.strategy;
  row.probes = table.probes();
  row.replay_probes = table.replay_probes();
  row.cells = table.cells();
  if (table.has_fidelity()) row.fidelity = table.fidelity();
  if (table.probes() > 0) row.response_fidelity = table.response_fidelity();
  if (table.test_retest() != 0) row.test_retest = table.test_retest();
  row.seconds_per_probe = positive(table.seconds_per_probe());
  row.seconds_per_lookup = positive(table.seconds_per_lookup());
  row.selector_gain = table.selector_gain();
  row.greedy_gain = table.greedy_gain();
  for (const v1::FeatureWeight& weight : table.weights()) {
    row.weights.push_back({weight.feature(),
                           weight.weight(),
                           weight.standard_deviation(),
                           {weight.covariance().begin(), weight.covariance().end()},
                           weight.prior_weight(),
                           weight.prior_standard_deviation(),
                           positive(weight.random_gain())});
  }
  row.weights_fitted = table.weights_fitted();
  row.kappa = positive(table.kappa());
  row.kappa_standard_deviation = positive(table.kappa_standard_deviation());
  row.residual_share = positive(table.residual_share());
  row.level = positive(table.level());
  return row;
}

Pick PickOf(const v1::BatchImage& image) {
  Pick pick;
  pick.image_id = image.image_id();
  pick.cell = image.cell();
  pick.reason = image.reason();
  if (image.expected_gain_size() > 0) {
    pick.gain_class = image.expected_gain(0).class_name();
    pick.gain = image.expected_gain(0).mean();
  }
  return pick;
}

}  // namespace mgral::client
