#include "server/domain/job_queue.h"

#include "absl/strings/str_cat.h"

namespace mgral::domain {
namespace {

constexpr double kProgressThatCounts = 0.05;

}  // namespace

RetryCounts CountRetry(RetryCounts before, RetryReason reason, double fraction) {
  RetryCounts counts = before;
  if (fraction > before.from + kProgressThatCounts) counts = {0, 0, fraction};
  ++(reason == RetryReason::kImages ? counts.images : counts.errors);
  return counts;
}

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

std::string AttemptsExhausted(const JobLease& job, int attempts, const std::string& worker) {
  return absl::StrCat("job ", JobKindName(job.kind), " (part ", job.shard, ") was begun ", attempts,
                      " times and never finished, last by worker \"", worker, "\"");
}

}  // namespace mgral::domain
