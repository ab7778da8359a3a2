#include "tests/fault/worker_processes.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mgral::test {

WorkerProcesses::WorkerProcesses(Workplace* place) : place_(place) {
  // States that no worker knows keep cycles from workers (see Start).
  place_->database->Execute("ALTER TABLE cycle DROP CONSTRAINT cycle_state_check");
}

std::unique_ptr<ServerProcess> WorkerProcesses::Start(const std::string& fault, int threads) const {
  place_->database->Execute("UPDATE cycle SET state = state + 10 WHERE state IN (1, 2)");
  ServerProcess::Options options;
  options.flags = {"--roles=worker",
                   "--database=" + place_->database->conninfo(),
                   "--image_root=" + place_->folder + "/images",
                   "--artifact_dir=" + place_->folder + "/artifacts",
                   absl::StrCat("--threads=", threads),
                   "--job_lease=1s",
                   "--poll_interval=100ms",
                   "--migrate=false"};
  if (!fault.empty()) options.environment["MGRAL_FAULT_KILL_AT"] = fault;
  auto worker = std::make_unique<ServerProcess>(options);
  place_->database->Execute("UPDATE cycle SET state = state - 10 WHERE state > 10");
  return worker;
}

domain::Cycle WorkerProcesses::StartCycle(const domain::Pool& pool) const {
  return *place_->cycles->StartCycle(pool.key, false, {});
}

domain::Cycle WorkerProcesses::WaitForEnd(const domain::Pool& pool, domain::Cycle cycle) const {
  const absl::Time deadline = absl::Now() + absl::Minutes(2);
  while (!cycle.end_time && absl::Now() < deadline) {
    cycle =
        *place_->cycles->WaitForChange(pool.key, cycle.cycle_id, cycle.revision, absl::Seconds(5));
  }
  return cycle;
}

std::string WorkerProcesses::Published(const domain::Pool& pool) const {
  std::string text;
  for (const char* strategy :
       {"mgral", "lookup_greedy", "entropy", "margin", "core_set", "class_balanced", "random"}) {
    absl::StrAppend(&text, strategy, ": ", place_->Queue(pool, strategy), "\n");
  }
  const std::string table = place_->database->Query(absl::StrCat(
      "SELECT encode(sha256(t.data), 'hex') || ' of ' || length(t.data) || ' bytes' FROM "
      "lookup_table t JOIN snapshot s ON s.table_key = t.key JOIN pool p ON p.snapshot_key = s.key "
      "WHERE p.key = ",
      pool.key));
  return text + "table: " + table;
}

}  // namespace mgral::test
