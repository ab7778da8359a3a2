#pragma once

#include <memory>
#include <string>

#include "tests/fault/workplace.h"
#include "tests/support/server_process.h"

namespace mgral::test {

// Workers as processes of their own (mgral-server --roles=worker) on the cycles of a workplace.
class WorkerProcesses {
 public:
  explicit WorkerProcesses(Workplace* place);

  // A worker that kills itself at `fault` ("" for never; MGRAL_FAULT_KILL_AT). The running cycle is
  // kept from all workers until it has come up. `threads` is its option.
  std::unique_ptr<ServerProcess> Start(const std::string& fault, int threads = 1) const;

  domain::Cycle StartCycle(const domain::Pool& pool) const;
  // The cycle as it is when it ended, or after two minutes.
  domain::Cycle WaitForEnd(const domain::Pool& pool, domain::Cycle cycle) const;
  // Everything of the published snapshot that must not depend on who made it: the queues, and every
  // byte of the look-up table.
  std::string Published(const domain::Pool& pool) const;

 private:
  Workplace* const place_;
};

}  // namespace mgral::test
