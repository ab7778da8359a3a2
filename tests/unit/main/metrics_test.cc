#include "server/main/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mgral::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsWhatItIsTold) {
  Metrics metrics("1.2.3");
  rpc::CallRecord call;
  call.method = "PoolService/GetPool";
  call.code = "NOT_FOUND";
  call.seconds = 0.02;
  metrics.OnCall(call);
  metrics.OnCall(call);
  metrics.OnJob("train", "completed", 12);
  metrics.OnLeasesExpired(3);
  metrics.SetDatabaseUp(true);
  double value = 5;
  metrics.AddGauge("mgral_live", "Asked when collected.", [&] { return value; });
  value = 6;
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("mgral_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("mgral_rpc_total{code=\"NOT_FOUND\",method=\"PoolService/GetPool\"} 2"));
  EXPECT_THAT(text, HasSubstr("mgral_rpc_seconds_count{method=\"PoolService/GetPool\"} 2"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs_total{outcome=\"completed\",stage=\"train\"} 1"));
  EXPECT_THAT(text, HasSubstr("mgral_leases_expired_total 3"));
  EXPECT_THAT(text, HasSubstr("mgral_database_up 1"));
  EXPECT_THAT(text, HasSubstr("mgral_live 6"));
}

TEST(MetricsTest, PoolsComeAndGo) {
  Metrics metrics("1");
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("mgral_pool_images")));
  domain::Pool pool;
  pool.pool_id = "cats";
  pool.counts.labeled = 7;
  metrics.SetPools({pool});
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_pool_images{pool=\"cats\",state=\"labeled\"} 7"));
  metrics.SetPools({});
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("cats")));
}

}  // namespace
}  // namespace mgral::server
