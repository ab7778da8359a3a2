#include "server/cycle/selection_records.h"

#include "server/base/status_macros.h"
#include "server/cycle/record_messages.h"

namespace mgral::cycle {
namespace {

using domain::SelectionRuntime;

void SetReport(const domain::TableReport& report, Record::TableReport* out) {
  out->set_probes(report.probes);
  out->set_replay_probes(report.replay_probes);
  out->set_cells(report.cells);
  if (report.fidelity) out->set_fidelity(*report.fidelity);
  out->set_response_fidelity(report.response_fidelity);
  out->set_seconds_per_probe(report.seconds_per_probe);
  out->set_seconds_per_lookup(report.seconds_per_lookup);
  out->set_test_retest(report.test_retest);
  for (const domain::FeatureWeight& weight : report.weights) {
    Record::FeatureWeight* const one = out->add_weights();
    one->set_feature(weight.feature);
    one->set_weight(weight.weight);
    SetAll(weight.covariance, one->mutable_covariance());
    one->set_prior_weight(weight.prior_weight);
    one->set_prior_sd(weight.prior_sd);
    one->set_random_gain(weight.random_gain);
  }
  out->set_weights_fitted(report.weights_fitted);
  out->set_kappa(report.kappa);
  out->set_kappa_sd(report.kappa_sd);
  out->set_residual_share(report.residual_share);
  out->set_level(report.level);
}

domain::TableReport GetReport(const Record::TableReport& in) {
  domain::TableReport report;
  report.probes = in.probes();
  report.replay_probes = in.replay_probes();
  report.cells = in.cells();
  if (in.has_fidelity()) report.fidelity = in.fidelity();
  report.response_fidelity = in.response_fidelity();
  report.seconds_per_probe = in.seconds_per_probe();
  report.seconds_per_lookup = in.seconds_per_lookup();
  report.test_retest = in.test_retest();
  for (const Record::FeatureWeight& one : in.weights()) {
    report.weights.push_back({one.feature(), one.weight(), GetAll<double>(one.covariance()),
                              one.prior_weight(), one.prior_sd(), one.random_gain()});
  }
  report.weights_fitted = in.weights_fitted();
  report.kappa = in.kappa();
  report.kappa_sd = in.kappa_sd();
  report.residual_share = in.residual_share();
  report.level = in.level();
  return report;
}

}  // namespace

absl::StatusOr<std::string> SerializePlan(const domain::ProbePlan& plan) {
  Record record;
  Record::Plan* const out = record.mutable_plan();
  out->set_cells(plan.cells);
  SetAll(plan.probes, out->mutable_probes());
  out->set_seed(plan.seed);
  return Serialize(record);
}

absl::StatusOr<domain::ProbePlan> ParsePlan(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kPlan, "a plan of probes"));
  const Record::Plan& in = record.plan();
  return domain::ProbePlan{GetAll<int>(in.probes()), in.seed(), in.cells()};
}

absl::StatusOr<std::string> SerializeReplayBase(const domain::ReplayBase& base) {
  Record record;
  Record::ReplayBase* const out = record.mutable_replay_base();
  SetAll(base.image_keys, out->mutable_image_keys());
  for (const domain::ReplayProbe& probe : base.probes) {
    Record::ReplayProbe* const each = out->add_probes();
    SetAll(probe.image_keys, each->mutable_image_keys());
    SetAll(probe.response, each->mutable_response());
    SetAll(probe.half_response[0], each->mutable_first_half());
    SetAll(probe.half_response[1], each->mutable_second_half());
    SetAll(probe.held_positives, each->mutable_held_positives());
    SetAll(probe.missed, each->mutable_missed());
  }
  out->set_seconds(base.seconds);
  return Serialize(record);
}

absl::StatusOr<domain::ReplayBase> ParseReplayBase(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kReplayBase, "a base's replay probes"));
  const Record::ReplayBase& in = record.replay_base();
  domain::ReplayBase base{GetAll<int64_t>(in.image_keys()), {}, in.seconds()};
  for (const Record::ReplayProbe& each : in.probes()) {
    base.probes.push_back({GetAll<int64_t>(each.image_keys()),
                           GetAll<double>(each.response()),
                           {GetAll<double>(each.first_half()), GetAll<double>(each.second_half())},
                           GetAll<double>(each.held_positives()),
                           GetAll<double>(each.missed())});
  }
  return base;
}

absl::StatusOr<std::string> SerializeTable(const TableParts& parts) {
  Record record;
  Record::Table* const out = record.mutable_table();
  out->set_table(parts.table.table);
  SetReport(parts.table.report, out->mutable_report());
  SetAll(parts.images, out->mutable_images());
  const domain::RealizedGain& newest = parts.table.newest;
  if (!newest.features.empty()) SetGain(newest, out->mutable_newest());
  return Serialize(record);
}

absl::StatusOr<TableParts> ParseTable(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record, ParseRecord(bytes, Record::kTable, "a table"));
  TableParts parts;
  parts.table.table = record.table().table();
  parts.table.report = GetReport(record.table().report());
  parts.images = GetAll<std::string>(record.table().images());
  parts.table.newest = GetGain(record.table().newest());
  return parts;
}

absl::StatusOr<std::string> SerializeTableImages(const SelectionRuntime::TableResult& table,
                                                 size_t begin, size_t end) {
  if (end > table.entries.size() || table.cells.size() != table.entries.size() ||
      table.expected_gain.size() != table.entries.size()) {
    return absl::InternalError("a table needs one cell, entry and gain per candidate");
  }
  Record record;
  Record::TableImages* const out = record.mutable_table_images();
  for (size_t i = begin; i < end; ++i) {
    Record::TableImage* const each = out->add_images();
    each->set_cell(table.cells[i]);
    each->set_entry(table.entries[i]);
    SetAll(table.expected_gain[i], each->mutable_expected_gain());
  }
  return Serialize(record);
}

absl::Status ParseTableImages(absl::string_view bytes, SelectionRuntime::TableResult* table) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kTableImages, "a part of a table"));
  for (const Record::TableImage& each : record.table_images().images()) {
    table->cells.push_back(each.cell());
    table->entries.push_back(each.entry());
    table->expected_gain.push_back(GetAll<float>(each.expected_gain()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SerializeRankedPool(const RankedPool& ranked) {
  Record record;
  Record::RankedPool* const out = record.mutable_ranked_pool();
  for (const auto& [strategy, keys] : ranked.queues) {
    Record::RankedQueue* const each = out->add_queues();
    each->set_strategy(strategy);
    each->set_keys_sha256(keys);
  }
  out->set_selector_sha256(ranked.selector_sha256);
  out->set_selector_gain(ranked.selector_gain);
  out->set_greedy_gain(ranked.greedy_gain);
  return Serialize(record);
}

absl::StatusOr<RankedPool> ParseRankedPool(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kRankedPool, "a ranking of the pool"));
  const Record::RankedPool& in = record.ranked_pool();
  RankedPool ranked{{}, in.selector_sha256(), in.selector_gain(), in.greedy_gain()};
  for (const Record::RankedQueue& each : in.queues()) {
    ranked.queues.emplace_back(each.strategy(), each.keys_sha256());
  }
  return ranked;
}

absl::StatusOr<std::string> SerializeQueue(const RankedQueue& queue) {
  Record record;
  Record::Queue* const out = record.mutable_queue();
  SetAll(queue.image_keys, out->mutable_image_keys());
  for (size_t i = 0; i < queue.uniform.size(); ++i) {
    if (queue.uniform[i]) out->add_uniform(static_cast<int>(i));
  }
  return Serialize(record);
}

absl::StatusOr<RankedQueue> ParseQueue(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record, ParseRecord(bytes, Record::kQueue, "a queue"));
  RankedQueue queue;
  queue.image_keys = GetAll<int64_t>(record.queue().image_keys());
  queue.uniform.resize(queue.image_keys.size());
  for (const int position : record.queue().uniform()) {
    if (position < 0 || position >= record.queue().image_keys_size()) return Broken("a queue");
    queue.uniform[position] = true;
  }
  return queue;
}

}  // namespace mgral::cycle
