#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/stoppable_thread.h"
#include "server/main/database.h"
#include "server/main/healthcheck.h"
#include "server/main/logging.h"
#include "server/main/options.h"
#include "server/main/server.h"
#include "server/main/signals.h"
#include "server/rpc/api_keys.h"

namespace mgral::server {
namespace {

// For what ends with the drain to be over: calls that were canceled, connections that are closed.
constexpr absl::Duration kAfterDrain = absl::Seconds(3);

enum ExitStatus { kOk = 0, kFailed = 1, kWrongOption = 2, kNoDatabase = 3 };

int StatusOfStart(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return kWrongOption;
  if (absl::IsCancelled(status)) return kOk;  // asked to stop while it started
  if (absl::IsFailedPrecondition(status)) return kNoDatabase;
  return absl::IsUnavailable(status) ? kNoDatabase : kFailed;
}

int Serve(const Options& options) {
  auto server = Server::Start(options);
  if (!server.ok()) {
    spdlog::error("cannot start: {}", std::string(server.status().message()));
    return StatusOfStart(server.status());
  }
  int signal = 0;
  while (signal == 0) signal = WaitForStopSignal(absl::Hours(1));
  spdlog::info("signal {}: draining", signal);
  UnblockStopSignals();  // asked twice, it ends at once
  base::StoppableThread watchdog;
  watchdog.Start([&](const base::StopSignal& stop) {
    if (stop.WaitFor(options.drain_timeout + kAfterDrain)) return;
    // A database that says nothing, for one. Clients call again, a lease that is over is taken
    // over.
    spdlog::warn("some calls or connections did not end in time: exiting anyway");
    std::_Exit(kOk);
  });
  if (!(*server)->Drain()) {
    spdlog::warn("the running job did not stop in time: another worker will take it over");
    std::_Exit(kOk);
  }
  server->reset();
  spdlog::info("drained");
  return kOk;
}

int MigrateOnly(const Options& options) {
  const absl::Status status = PrepareDatabase(options, true);
  if (status.ok()) return kOk;
  spdlog::error("cannot migrate: {}", std::string(status.message()));
  return absl::IsInvalidArgument(status) ? kWrongOption : kNoDatabase;
}

int HandleArtifacts(const CommandLine& line) {
  const absl::Status ready = PrepareDatabase(line.options, false);
  const absl::Status status =
      ready.ok() ? RunArtifacts(line.options, line.artifacts, std::cout) : ready;
  if (status.ok()) return std::cout.flush() ? kOk : kFailed;
  spdlog::error("cannot {} artifacts: {}", line.artifacts.prune ? "prune" : "list",
                std::string(status.message()));
  return ready.ok() ? kFailed : StatusOfStart(ready);
}

int AskHealth(const CommandLine& line) {
  HealthcheckTls tls;
  tls.on = line.tls;
  tls.certificate_file = line.options.tls_cert;
  tls.key_file = line.options.tls_key;
  const absl::Status status = CheckHealth(line.target, tls);
  std::cout << (status.ok() ? "SERVING" : std::string(status.message())) << "\n";
  return status.ok() ? kOk : kFailed;
}

// The key alone on standard output, so that a script can keep it, and what goes into the file of
// keys, which holds no secret, on standard error.
int MakeKey(const std::string& name, const std::string& pools) {
  const auto made = rpc::MakeApiKey(name, pools);
  if (!made.ok()) {
    std::cerr << "mgral-server: " << made.status().message() << "\n";
    return absl::IsInvalidArgument(made.status()) ? kWrongOption : kFailed;
  }
  std::cout << made->key << "\n" << std::flush;
  if (!std::cout) return kFailed;  // a key that nobody has is not let in
  std::cerr << made->line << "\n";
  return kOk;
}

int Main(const std::vector<std::string>& arguments) {
  const auto line = ParseCommandLine(
      arguments, [](const std::string& name) { return std::getenv(name.c_str()); });
  if (!line.ok()) {
    std::cerr << "mgral-server: " << line.status().message() << "\n";
    return kWrongOption;
  }
  switch (line->command) {
    case Command::kHelp:
      std::cout << HelpText();
      return kOk;
    case Command::kVersion:
      std::cout << "mgral-server " << MGRAL_VERSION << "\n";
      return kOk;
    case Command::kOptions:
      std::cout << OptionsAsMarkdown();
      return kOk;
    case Command::kHealthcheck:
      return AskHealth(*line);
    case Command::kKey:
      return MakeKey(line->key_name, line->key_pools);
    case Command::kArtifacts:
    case Command::kMigrate:
    case Command::kServe:
      break;
  }
  SetUpLogging(line->options.log_level, line->options.log_format);
  const absl::Status password = UsePasswordFile(line->options.database_password_file);
  if (!password.ok()) {
    spdlog::error("cannot start: {}", std::string(password.message()));
    return kWrongOption;
  }
  if (line->command == Command::kArtifacts) return HandleArtifacts(*line);
  BlockStopSignals();
  return line->command == Command::kMigrate ? MigrateOnly(line->options) : Serve(line->options);
}

}  // namespace
}  // namespace mgral::server

int main(int argc, char** argv) {
  return mgral::server::Main(std::vector<std::string>(argv + 1, argv + argc));
}
