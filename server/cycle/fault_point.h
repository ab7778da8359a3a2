#pragma once

#include <string>

#include "server/domain/job_queue.h"

namespace mgral::cycle {

// For tests only: kills the process if MGRAL_FAULT_KILL_AT is "<stage>:<point>" (see job_loop.h).
void FaultPoint(domain::JobKind kind, const std::string& point);

}  // namespace mgral::cycle
