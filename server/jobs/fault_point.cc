#include "server/jobs/fault_point.h"

#include <csignal>
#include <cstdlib>

namespace mgral::jobs {

using domain::JobKind;

const char* StageName(JobKind kind) {
  switch (kind) {
    case JobKind::kTrain:
      return "train";
    case JobKind::kEmbed:
      return "embed";
    case JobKind::kPlan:
      return "plan";
    case JobKind::kProbe:
      return "probe";
    case JobKind::kTable:
      return "table";
    case JobKind::kSelector:
      return "selector";
    case JobKind::kPublish:
      return "publish";
  }
  return "unknown";
}

void FaultPoint(JobKind kind, const std::string& point) {
  const char* wanted = std::getenv("MGRAL_FAULT_KILL_AT");
  if (wanted != nullptr && wanted == StageName(kind) + (":" + point)) std::raise(SIGKILL);
}

}  // namespace mgral::jobs
