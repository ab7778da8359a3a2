#pragma once

#include "client/cpp/session.h"

namespace CLI {
class App;
}

namespace mgral::client {

// mgral report: renders a results.json anew. As the functions of client/cpp/commands.h.
void AddReportCommand(CLI::App& app, Session& session);

}  // namespace mgral::client
