#include "server/main/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/main/metric_family.h"

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
  metrics.OnLeases({5, 3});
  metrics.OnLabels({9, 2});
  metrics.SetDatabaseUp(true);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("mgral_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("mgral_rpc_total{code=\"NOT_FOUND\",method=\"PoolService/GetPool\"} 2"));
  EXPECT_THAT(
      text, HasSubstr("mgral_rpc_seconds_count{kind=\"unary\",method=\"PoolService/GetPool\"} 2"));
  EXPECT_THAT(text, HasSubstr("mgral_rpc_refused_total{kind=\"unary\"} 0"));
  EXPECT_THAT(text, HasSubstr("mgral_jobs_total{outcome=\"completed\",stage=\"train\"} 1"));
  EXPECT_THAT(text, HasSubstr("mgral_leases_granted_total 5"));
  EXPECT_THAT(text, HasSubstr("mgral_leases_expired_total 3"));
  EXPECT_THAT(text, HasSubstr("mgral_labels_total 9"));
  EXPECT_THAT(text, HasSubstr("mgral_labels_late_total 2"));
  EXPECT_THAT(text, HasSubstr("mgral_database_up 1"));
}

TEST(MetricsTest, RefusedCallsCountByKind) {
  Metrics metrics("1");
  rpc::CallRecord call;
  call.stream = call.refused = true;
  metrics.OnCall(call);
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_rpc_refused_total{kind=\"stream\"} 1"));
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_rpc_refused_total{kind=\"unary\"} 0"));
}

TEST(MetricsTest, AsksCollectorsEveryTime) {
  Metrics metrics("1");
  double value = 5;
  metrics.Add([&] {
    return std::vector<prometheus::MetricFamily>{
        FamilyOf("mgral_live", "Asked when collected.", {{value, {{"kind", "a"}}}})};
  });
  value = 6;
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_live{kind=\"a\"} 6"));
}

TEST(MetricsTest, WorkersCountFromZero) {
  Metrics metrics("1");
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("mgral_jobs_total")));
  metrics.ExpectJobs();
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_jobs_total{outcome=\"lost\",stage=\"publish\"} 0"));
  metrics.OnClaim("probe", 1);
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_jobs_taken_over_total{stage=\"probe\"} 0"));
  metrics.OnClaim("probe", 2);
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_jobs_taken_over_total{stage=\"probe\"} 1"));
}

TEST(MetricsTest, WhatTheDatabaseSaidIsForgottenWithIt) {
  Metrics metrics("1");
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("mgral_jobs{")));
  metrics.SetStatistics(domain::Statistics());
  EXPECT_THAT(metrics.Text(), HasSubstr("mgral_jobs{state=\"waiting\"} 0"));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("mgral_pool_")));
  metrics.SetStatistics(std::nullopt);
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("mgral_jobs{")));
}

}  // namespace
}  // namespace mgral::server
