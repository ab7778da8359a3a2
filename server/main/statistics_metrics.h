#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "server/domain/statistics_store.h"

namespace mgral::server {

// What the database says, as gauges. Every process on one database tells the same: take the max of
// them, never the sum. Metrics of pools are left out while there is no pool to tell of.
std::vector<prometheus::MetricFamily> StatisticsFamilies(const domain::Statistics& statistics);

}  // namespace mgral::server
