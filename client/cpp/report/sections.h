// The parts of the report, as HTML. Each returns "" when it has nothing to show.
#pragma once

#include <string>

#include "client/cpp/report/results.h"

namespace mgral::client {

std::string HeaderSection(const Results& results);
std::string CurveSection(const Results& results);
std::string SummarySection(const Results& results);
std::string ComparisonSection(const Results& results);
std::string GainSection(const Results& results);
std::string FidelitySection(const Results& results);
std::string ClassSection(const Results& results);
std::string CostSection(const Results& results);
std::string ProtocolSection(const Results& results);

// Names and values of a protocol, as a list.
std::string ProtocolList(const nlohmann::ordered_json& protocol);

}  // namespace mgral::client
