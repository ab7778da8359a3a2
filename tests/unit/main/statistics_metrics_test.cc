#include "server/main/statistics_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace mgral::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const domain::Statistics& statistics) {
  return prometheus::TextSerializer().Serialize(StatisticsFamilies(statistics));
}

TEST(StatisticsMetricsTest, TellsOfWork) {
  domain::Statistics statistics;
  statistics.jobs_waiting = 4;
  statistics.jobs_overdue = 1;
  statistics.oldest_waiting_seconds = 12.5;
  statistics.oldest_overdue_seconds = 3;
  statistics.cycles_running = 2;
  statistics.stalled_seconds = 7;
  statistics.pool_count = 60;
  const std::string text = Text(statistics);
  EXPECT_THAT(text, HasSubstr("mgral_jobs{state=\"waiting\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs{state=\"running\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs{state=\"overdue\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs_oldest_waiting_seconds 12.5\n"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs_oldest_overdue_seconds 3\n"));
  EXPECT_THAT(text, HasSubstr("mgral_cycles{state=\"running\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("mgral_cycle_stalled_seconds 7\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pools 60\n"));
  EXPECT_THAT(text, Not(HasSubstr("mgral_pool_")));
}

TEST(StatisticsMetricsTest, TellsOfPoolsWhatIsKnown) {
  domain::Statistics statistics;
  statistics.pools.resize(2);
  statistics.pools[0].pool_id = "new";
  statistics.pools[1].pool_id = "old";
  statistics.pools[1].counts.labeled = 7;
  statistics.pools[1].cycle_running = true;
  statistics.pools[1].last_cycle_failed = true;
  statistics.pools[1].published.emplace();
  statistics.pools[1].published->map50 = 0.5;
  statistics.pools[1].published->fidelity = -0.25;
  statistics.pools[1].published->replay_probes = 8;
  const std::string text = Text(statistics);
  EXPECT_THAT(text, HasSubstr("mgral_pool_images{pool=\"new\",state=\"labeled\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_images{pool=\"old\",state=\"labeled\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_cycle_active{pool=\"old\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_last_cycle_failed{pool=\"new\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_last_cycle_failed{pool=\"old\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_map50_ratio{pool=\"old\"} 0.5\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_table_fidelity_ratio{pool=\"old\"} -0.25\n"));
  EXPECT_THAT(text, HasSubstr("mgral_pool_table_replay_probes{pool=\"old\"} 8\n"));
  // Nothing was published there; no gain was measured here.
  EXPECT_THAT(text, Not(HasSubstr("mgral_pool_map50_ratio{pool=\"new\"}")));
  EXPECT_THAT(text, Not(HasSubstr("_gain_ratio")));
}

}  // namespace
}  // namespace mgral::server
