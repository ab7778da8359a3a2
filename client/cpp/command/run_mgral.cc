#include <exception>
#include <ostream>

#include "CLI/CLI.hpp"
#include "client/cpp/command/commands.h"

namespace mgral::client {
namespace {

void AddGlobalOptions(CLI::App& app, Session& session) {
  app.add_option("--server", session.server, "Address of mgral-server")
      ->envname("MGRAL_SERVER")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_flag("--json", session.json, "Print one JSON document to stdout");
  app.add_option("--timeout", session.timeout_seconds, "Deadline of a call, in seconds")
      ->check(CLI::Range(0.001, 1e6))
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_flag("--tls", session.tls,
               "Connect with TLS, trusting the system's certificate authorities");
  app.add_option("--tls-ca", session.tls_ca,
                 "Connect with TLS, trusting the authorities in this PEM file")
      ->envname("MGRAL_TLS_CA")
      ->type_name("FILE");
  auto* certificate =
      app.add_option("--tls-cert", session.tls_certificate, "Client certificate (PEM)")
          ->type_name("FILE");
  auto* key = app.add_option("--tls-key", session.tls_key, "Private key of --tls-cert (PEM)")
                  ->type_name("FILE");
  app.add_option("--api-key-file", session.api_key_file,
                 "File with the API key (default: MGRAL_API_KEY)")
      ->envname("MGRAL_API_KEY_FILE")
      ->type_name("FILE");
  app.add_flag("--insecure-key", session.insecure_key,
               "Send the API key without TLS even to another machine, where others can read it");
  certificate->needs(key);
  key->needs(certificate);
}

constexpr char kFooter[] = R"(A first round, with a server at the default address:
  mgral pool create cells --classes RBC,WBC,Platelets
  mgral register cells --images photos
  mgral query cells --size 20 --coco-out to_label.json      which images to label first
  mgral label cells --coco measured.json --use validation   labels to measure with
  mgral label cells --coco labeled.json                     labels to train on
  mgral cycle start cells --watch                           train and select
  mgral query cells --size 20 --coco-out to_label.json

Exit codes: 0 success, 1 refused by the server or failed, 2 usage error, 3 server unreachable.
Help for one command: mgral COMMAND --help)";

}  // namespace

int RunMgral(int argc, const char* const* argv, std::ostream& out, std::ostream& error) {
  Session session(out, error);
  CLI::App app("mgral tells you which images to label next.", "mgral");
  app.fallthrough();  // global options may stand anywhere on the line
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", "mgral 0.1.0");
  AddGlobalOptions(app, session);
  AddPoolCommands(app, session);
  AddRegisterCommand(app, session);
  AddBatchCommands(app, session);
  AddLabelCommands(app, session);
  AddCycleCommands(app, session);
  AddModelCommands(app, session);
  AddPredictCommand(app, session);
  AddPredictionsCommands(app, session);
  AddSimulateCommand(app, session);
  AddFidelityCommand(app, session);
  AddReportCommand(app, session);
  AddSynthCommand(app, session);
  AddFitPriorCommand(app, session);
  app.footer(kFooter);  // last: the commands made before would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure, out, error) == 0 ? kExitOk : kExitUsage;
  } catch (const std::exception& failure) {
    session.Finish(absl::InternalError(failure.what()));
  }
  return session.exit_code();
}

}  // namespace mgral::client
