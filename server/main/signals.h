#pragma once

#include "absl/time/time.h"

namespace mgral::server {

// SIGTERM and SIGINT are taken by WaitForStopSignal from now on, SIGPIPE is ignored. Call it before
// any thread is started: threads inherit it.
void BlockStopSignals();

// The signal that came, 0 if none did in `timeout`.
int WaitForStopSignal(absl::Duration timeout);

// The next SIGTERM or SIGINT ends the process at once.
void UnblockStopSignals();

}  // namespace mgral::server
