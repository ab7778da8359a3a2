#include "server/main/resource_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <map>

namespace mgral::server {
namespace {

std::map<std::string, double> Values(const std::vector<prometheus::MetricFamily>& families) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : families) {
    const bool counter = family.type == prometheus::MetricType::Counter;
    values[family.name] =
        counter ? family.metric.at(0).counter.value : family.metric.at(0).gauge.value;
  }
  return values;
}

TEST(ResourceMetricsTest, TellsOfThisProcess) {
  const auto before = Values(ProcessFamilies());
  EXPECT_NEAR(before.at("process_start_time_seconds"), static_cast<double>(time(nullptr)), 600);
  EXPECT_GT(before.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(before.at("process_virtual_memory_bytes"), before.at("process_resident_memory_bytes"));
  EXPECT_GE(before.at("process_threads"), 1);
  EXPECT_GE(before.at("process_cpu_seconds_total"), 0);
  EXPECT_GT(before.at("process_max_fds"), before.at("process_open_fds"));
  const int file = dup(0);
  EXPECT_EQ(Values(ProcessFamilies()).at("process_open_fds"), before.at("process_open_fds") + 1);
  close(file);
}

TEST(ResourceMetricsTest, TellsOfTheDisk) {
  const auto disk = Values(DiskFamilies("/"));
  EXPECT_GT(disk.at("mgral_artifact_size_bytes"), disk.at("mgral_artifact_free_bytes"));
  EXPECT_TRUE(DiskFamilies("/there/is/no/such/folder").empty());
}

}  // namespace
}  // namespace mgral::server
