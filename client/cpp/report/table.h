// HTML tables.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/report/results.h"

namespace mgral::client {

// A cell, flush right. `text` is escaped.
std::string Cell(const std::string& text);

// A row's heading: the strategy with its color.
std::string StrategyCell(const Results& results, const std::string& strategy);

// `rows` are complete <tr> elements; the first column is flush left.
std::string Table(const std::vector<std::string>& head, const std::string& rows);

}  // namespace mgral::client
