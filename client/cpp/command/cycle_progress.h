#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "client/cpp/command/session.h"
#include "client/cpp/lib/progress.h"
#include "mgral/v1/cycle_service.pb.h"

namespace mgral::client {

// "train", "embed", ...; "queued" for none.
std::string StageName(v1::CycleStage stage);
// "running", "failed", ...
std::string StateName(v1::CycleState state);

// Shows a cycle's progress as one bar per stage. Not thread-safe.
class CycleProgress {
 public:
  explicit CycleProgress(Session& session) : session_(session) {}
  void Update(const v1::Cycle& cycle);
  void Finish();

 private:
  Session& session_;
  v1::CycleStage stage_ = v1::CYCLE_STAGE_UNSPECIFIED;
  std::unique_ptr<ProgressBar> bar_;
};

// A summary of the cycle in a few lines.
void PrintCycle(const v1::Cycle& cycle, std::ostream& out);

}  // namespace mgral::client
