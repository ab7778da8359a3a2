// The learning curves for a terminal.
#pragma once

#include <ostream>

#include "client/cpp/report/results.h"

namespace mgral::client {

// The finding, then per strategy mAP@.5 at every label count with a small curve. UTF-8.
void PrintCurves(const Results& results, std::ostream& out);

}  // namespace mgral::client
