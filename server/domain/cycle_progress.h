#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/domain/cycle.h"
#include "server/domain/job_queue.h"

// From the jobs of a cycle to its stages and the time of its end. Pure functions.
namespace mgral::domain {

// What the started jobs of one kind in a cycle have done.
struct JobProgress {
  JobKind kind = JobKind::kTrain;
  double fraction = 0;  // mean over the jobs, in [0, 1]
  double seconds = 0;   // sum over the jobs
};
// Adds it to the cycle's stages and moves Cycle::stage on. Kinds must come in ascending order.
void AddJobProgress(const JobProgress& progress, Cycle* cycle);

// Adds a metric of the jobs of that kind to their stage.
void AddStageMetric(JobKind kind, const std::string& name, double value, Cycle* cycle);

// Sets Cycle::eta of a running cycle that has done enough to tell, from the stages added before:
// the time taken so far, scaled by what part of a cycle's time those stages usually take.
void EstimateEnd(absl::Time start, absl::Time now, Cycle* cycle);

}  // namespace mgral::domain
