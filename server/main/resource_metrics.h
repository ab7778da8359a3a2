#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace mgral::server {

// This process, by the names that every exporter uses (process_cpu_seconds_total, ...). What /proc
// does not provide is left out.
std::vector<prometheus::MetricFamily> ProcessFamilies();

// The file system that `folder` lies on; empty when it cannot be asked.
std::vector<prometheus::MetricFamily> DiskFamilies(const std::string& folder);

}  // namespace mgral::server
