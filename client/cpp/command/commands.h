#pragma once

#include "client/cpp/command/session.h"

namespace CLI {
class App;
}

// The commands of `mgral`, one function and one file per group. Each adds its subcommands to `app`.
// Both references must outlive parsing.
namespace mgral::client {

void AddPoolCommands(CLI::App& app, Session& session);     // pool create|list|show|delete
void AddRegisterCommand(CLI::App& app, Session& session);  // register
void AddBatchCommands(CLI::App& app, Session& session);  // query, batches, renew, release, estimate
void AddLabelCommands(CLI::App& app, Session& session);  // label, reject, export
void AddCycleCommands(CLI::App& app, Session& session);  // cycle start|watch|list|cancel
void AddModelCommands(CLI::App& app, Session& session);  // models [export|rollback]
void AddPredictCommand(CLI::App& app, Session& session);       // predict
void AddPredictionsCommands(CLI::App& app, Session& session);  // predictions put
void AddSimulateCommand(CLI::App& app, Session& session);      // simulate
void AddFidelityCommand(CLI::App& app, Session& session);      // fidelity
void AddReportCommand(CLI::App& app, Session& session);        // report
void AddSynthCommand(CLI::App& app, Session& session);         // synth
void AddFitPriorCommand(CLI::App& app, Session& session);      // fit-prior

// Parses and runs one command line (argv[0] included) and returns the exit code.
int RunMgral(int argc, const char* const* argv, std::ostream& out, std::ostream& error);

}  // namespace mgral::client
