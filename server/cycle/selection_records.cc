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
  return report;
}

}  // namespace

absl::StatusOr<std::string> SerializePlan(const CyclePlan& plan) {
  if (plan.images.size() != plan.plan.probes.size()) {
    return absl::InternalError("a plan needs one list of images per probe");
  }
  Record record;
  Record::Plan* const out = record.mutable_plan();
  out->set_cells(plan.plan.cells);
  for (size_t i = 0; i < plan.images.size(); ++i) {
    const domain::ProbeBatch& probe = plan.plan.probes[i];
    Record::Probe* const each = out->add_probes();
    each->set_replay(probe.replay);
    each->set_control(probe.control);
    each->set_seed(probe.seed);
    for (const domain::Image& image : plan.images[i]) SetImage(image, each->add_images());
  }
  return Serialize(record);
}

absl::StatusOr<CyclePlan> ParsePlan(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kPlan, "a plan of probes"));
  CyclePlan plan;
  plan.plan.cells = record.plan().cells();
  for (const Record::Probe& each : record.plan().probes()) {
    MGRAL_ASSIGN_OR_RETURN(std::vector<domain::Image> images, GetImages(each.images()));
    domain::ProbeBatch probe;
    probe.replay = each.replay();
    probe.control = each.control();
    probe.seed = each.seed();
    for (const domain::Image& image : images) probe.image_keys.push_back(image.key);
    plan.plan.probes.push_back(std::move(probe));
    plan.images.push_back(std::move(images));
  }
  return plan;
}

absl::StatusOr<std::string> SerializeProbeResponse(const domain::ProbeResponse& response) {
  Record record;
  Record::ProbeResponse* const out = record.mutable_probe_response();
  SetAll(response.class_ap50, out->mutable_class_ap50());
  SetAll(response.class_loss, out->mutable_class_loss());
  out->set_seconds(response.seconds);
  return Serialize(record);
}

absl::StatusOr<domain::ProbeResponse> ParseProbeResponse(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record,
                         ParseRecord(bytes, Record::kProbeResponse, "a probe's response"));
  const Record::ProbeResponse& in = record.probe_response();
  return domain::ProbeResponse{GetAll<double>(in.class_ap50()), GetAll<double>(in.class_loss()),
                               in.seconds()};
}

absl::StatusOr<std::string> SerializeTable(const TableParts& parts) {
  Record record;
  Record::Table* const out = record.mutable_table();
  out->set_table(parts.table.table);
  SetReport(parts.table.report, out->mutable_report());
  SetAll(parts.images, out->mutable_images());
  return Serialize(record);
}

absl::StatusOr<TableParts> ParseTable(absl::string_view bytes) {
  MGRAL_ASSIGN_OR_RETURN(const Record record, ParseRecord(bytes, Record::kTable, "a table"));
  TableParts parts;
  parts.table.table = record.table().table();
  parts.table.report = GetReport(record.table().report());
  parts.images = GetAll<std::string>(record.table().images());
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
