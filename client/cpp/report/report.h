// report.html: one file that needs nothing else.
#pragma once

#include <string>

#include "client/cpp/lib/dataset.h"
#include "client/cpp/report/results.h"

namespace mgral::client {

// `dataset` may be null: the gallery then names the images instead of showing them. The summary is
// computed from the runs.
std::string RenderReport(Results results, const Dataset* dataset);

}  // namespace mgral::client
