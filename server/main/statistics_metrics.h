#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "server/domain/statistics_store.h"

namespace mgral::server {

// The state of the database, as gauges. Every process on one database reports the same: take the
// max of them, never the sum. Metrics of pools are left out while there is no pool.
std::vector<prometheus::MetricFamily> StatisticsFamilies(const domain::Statistics& statistics);

}  // namespace mgral::server
