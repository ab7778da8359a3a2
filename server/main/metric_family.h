#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace mgral::server {

// One value of a metric, with its labels.
struct Sample {
  double value = 0;
  std::vector<std::pair<std::string, std::string>> labels;
};

// A metric whose values are looked up when it is collected. `type`: Gauge or Counter.
inline prometheus::MetricFamily FamilyOf(
    const std::string& name, const std::string& help, const std::vector<Sample>& samples,
    prometheus::MetricType type = prometheus::MetricType::Gauge) {
  prometheus::MetricFamily family{name, help, type, {}};
  for (const Sample& sample : samples) {
    prometheus::ClientMetric metric;
    for (const auto& [label, value] : sample.labels) metric.label.push_back({label, value});
    (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) =
        sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace mgral::server
