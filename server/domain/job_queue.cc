#include "server/domain/job_queue.h"

namespace mgral::domain {

const char* JobKindName(JobKind kind) {
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

}  // namespace mgral::domain
