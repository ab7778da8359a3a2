#include "server/main/statistics_metrics.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "server/main/metric_family.h"

namespace mgral::server {
namespace {

using domain::Statistics;
using Families = std::vector<prometheus::MetricFamily>;
using Figures = Statistics::PoolFigures;

void AddWork(const Statistics& s, Families* families) {
  families->push_back(FamilyOf(
      "mgral_jobs", "Jobs of active cycles by state; overdue means claimed with an expired lease.",
      {{double(s.jobs_waiting), {{"state", "waiting"}}},
       {double(s.jobs_running), {{"state", "running"}}},
       {double(s.jobs_overdue), {{"state", "overdue"}}}}));
  families->push_back(FamilyOf("mgral_jobs_oldest_waiting_seconds",
                               "How long the oldest waiting job has been ready.",
                               {{s.oldest_waiting_seconds, {}}}));
  families->push_back(FamilyOf("mgral_jobs_oldest_overdue_seconds",
                               "How long the oldest overdue job has had no live worker.",
                               {{s.oldest_overdue_seconds, {}}}));
  families->push_back(FamilyOf("mgral_cycles", "Active cycles.",
                               {{double(s.cycles_queued), {{"state", "queued"}}},
                                {double(s.cycles_running), {{"state", "running"}}}}));
  families->push_back(FamilyOf(
      "mgral_cycle_stalled_seconds",
      "Longest time without progress among cycles with a live worker; 0 if there are none.",
      {{s.stalled_seconds, {}}}));
  families->push_back(FamilyOf("mgral_pools", "Number of pools.", {{double(s.pool_count), {}}}));
}

void AddImages(const std::vector<Figures>& pools, Families* families) {
  std::vector<Sample> samples;
  for (const Figures& pool : pools) {
    const std::pair<const char*, int64_t> states[] = {{"unlabeled", pool.counts.unlabeled},
                                                      {"leased", pool.counts.leased},
                                                      {"labeled", pool.counts.labeled},
                                                      {"rejected", pool.counts.rejected}};
    for (const auto& [state, count] : states) {
      samples.push_back({double(count), {{"pool", pool.pool_id}, {"state", state}}});
    }
  }
  if (samples.empty()) return;
  families->push_back(FamilyOf("mgral_pool_images", "Images in the pool.", samples));
}

// One value per pool that has one.
void AddFigure(const std::vector<Figures>& pools, const std::string& name, const std::string& help,
               const std::function<std::optional<double>(const Figures&)>& value,
               Families* families) {
  std::vector<Sample> samples;
  for (const Figures& pool : pools) {
    const std::optional<double> figure = value(pool);
    if (figure) samples.push_back({*figure, {{"pool", pool.pool_id}}});
  }
  if (!samples.empty()) families->push_back(FamilyOf(name, help, samples));
}

void AddPublished(const std::vector<Figures>& pools, Families* families) {
  using Published = Figures::Published;
  const auto add = [&](const std::string& name, const std::string& help,
                       const std::function<std::optional<double>(const Published&)>& value) {
    const auto of_pool = [&](const Figures& pool) {
      return pool.published ? value(*pool.published) : std::nullopt;
    };
    AddFigure(pools, name, help, of_pool, families);
  };
  add("mgral_pool_published_age_seconds", "Age of the snapshot that answers queries.",
      [](const Published& p) { return p.age_seconds; });
  add("mgral_pool_map50_ratio",
      "mAP at IoU 0.5 of the published detector on the validation images.",
      [](const Published& p) { return p.map50; });
  add("mgral_pool_map_ratio", "mAP averaged over IoU 0.5 to 0.95 of the published detector.",
      [](const Published& p) { return p.map; });
  add("mgral_pool_predicted_gain_ratio",
      "mAP gain that the previous table predicted for the batches labeled since.",
      [](const Published& p) -> std::optional<double> {
        if (!p.realized_gain) return std::nullopt;
        return p.predicted_gain;
      });
  add("mgral_pool_realised_gain_ratio", "mAP gain measured for the same batches.",
      [](const Published& p) { return p.realized_gain; });
  add("mgral_pool_table_replay_probes", "Replay probes behind the table's fidelity.",
      [](const Published& p) -> std::optional<double> {
        if (!p.replay_probes) return std::nullopt;
        return static_cast<double>(*p.replay_probes);
      });
  add("mgral_pool_table_fidelity_ratio",
      "Rank correlation of the published table's estimates and measured gains.",
      [](const Published& p) { return p.fidelity; });
}

}  // namespace

Families StatisticsFamilies(const Statistics& statistics) {
  Families families;
  AddWork(statistics, &families);
  AddImages(statistics.pools, &families);
  AddFigure(
      statistics.pools, "mgral_pool_cycle_active",
      "1 while a cycle of the pool is queued or running.",
      [](const Figures& pool) { return pool.cycle_running ? 1.0 : 0.0; }, &families);
  AddFigure(
      statistics.pools, "mgral_pool_last_cycle_failed",
      "1 if the pool's most recently ended cycle failed.",
      [](const Figures& pool) { return pool.last_cycle_failed ? 1.0 : 0.0; }, &families);
  AddPublished(statistics.pools, &families);
  return families;
}

}  // namespace mgral::server
