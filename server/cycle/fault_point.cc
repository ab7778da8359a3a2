#include "server/cycle/fault_point.h"

#include <csignal>
#include <cstdlib>

namespace mgral::cycle {

void FaultPoint(domain::JobKind kind, const std::string& point) {
  const char* wanted = std::getenv("MGRAL_FAULT_KILL_AT");
  if (wanted != nullptr && wanted == domain::JobKindName(kind) + (":" + point)) std::raise(SIGKILL);
}

}  // namespace mgral::cycle
