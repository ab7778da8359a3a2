#include "server/cycle/probe_result.h"

#include <limits>

#include "nlohmann/json.hpp"

namespace mgral::cycle {
namespace {

using nlohmann::json;

std::vector<double> Numbers(const json& list) {
  std::vector<double> values;
  for (const json& value : list) {
    values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                     : value.get<double>());
  }
  return values;
}

}  // namespace

std::string WriteProbeResult(const domain::ModelRuntime::ProbeResponse& response) {
  // nlohmann writes what is not finite as null.
  const json out = {{"class_ap50", response.class_ap50},
                    {"class_loss", response.class_loss},
                    {"seconds", response.seconds}};
  return out.dump();
}

absl::StatusOr<domain::ModelRuntime::ProbeResponse> ReadProbeResult(const std::string& text) {
  try {
    const json in = json::parse(text);
    return domain::ModelRuntime::ProbeResponse{
        Numbers(in.at("class_ap50")), Numbers(in.at("class_loss")), in.at("seconds").get<double>()};
  } catch (const json::exception& error) {
    return absl::DataLossError(std::string("cannot read a probe's result: ") + error.what());
  }
}

}  // namespace mgral::cycle
