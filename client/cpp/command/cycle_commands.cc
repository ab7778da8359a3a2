// mgral cycle start|watch|list|cancel
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/cycle_progress.h"
#include "client/cpp/command/text_table.h"

namespace mgral::client {
namespace {

struct StartOptions {
  std::string pool, request_id;
  bool without_table = false, watch = false;
};

// Prints the cycle; one that failed or was canceled is an error of the command.
absl::Status ReportEnd(const v1::Cycle& cycle, Session& session) {
  if (session.json) {
    session.PrintJson(ToJson(cycle));
  } else {
    PrintCycle(cycle, session.out());
  }
  if (cycle.state() == v1::CYCLE_STATE_FAILED) {
    return absl::AbortedError(absl::StrCat(cycle.name(), " failed: ", cycle.error()));
  }
  if (cycle.state() == v1::CYCLE_STATE_CANCELLED) {
    return absl::CancelledError(absl::StrCat(cycle.name(), " was canceled"));
  }
  return absl::OkStatus();
}

absl::Status WatchToEnd(const std::string& name, Client& client, Session& session) {
  CycleProgress progress(session);
  absl::StatusOr<v1::Cycle> cycle =
      client.WatchCycle(name, [&progress](const v1::Cycle& news) { progress.Update(news); });
  progress.Finish();
  if (!cycle.ok()) return cycle.status();
  return ReportEnd(*cycle, session);
}

// The cycle of that name, or the newest of that pool.
absl::StatusOr<std::string> CycleName(const std::string& given, Client& client) {
  if (absl::StrContains(given, "/cycles/")) return given;
  v1::ListCyclesRequest request;
  request.set_parent(PoolName(given));
  request.set_page_size(1);
  absl::StatusOr<std::optional<v1::Cycle>> newest = client.ListCycles(request).Next();
  if (!newest.ok()) return newest.status();
  if (!newest->has_value()) {
    return absl::NotFoundError(
        absl::StrCat(PoolName(given), " has no cycles yet: mgral cycle start ", given));
  }
  return (*newest)->name();
}

absl::Status Start(const StartOptions& options, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::StartCycleRequest request;
  request.set_parent(PoolName(options.pool));
  request.set_request_id(options.request_id);
  request.set_without_table(options.without_table);
  absl::StatusOr<v1::Cycle> cycle = (*client)->StartCycle(request);
  if (!cycle.ok()) return cycle.status();
  if (options.watch) return WatchToEnd(cycle->name(), **client, session);
  if (session.json) {
    session.PrintJson(ToJson(*cycle));
  } else {
    session.out() << "started " << cycle->name() << "\nFollow it: mgral cycle watch "
                  << cycle->name() << "\n";
  }
  return absl::OkStatus();
}

absl::Status Watch(const std::string& given, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::string> name = CycleName(given, **client);
  if (!name.ok()) return name.status();
  return WatchToEnd(*name, **client, session);
}

absl::Status Cancel(const std::string& given, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::string> name = CycleName(given, **client);
  if (!name.ok()) return name.status();
  absl::StatusOr<v1::Cycle> cycle = (*client)->CancelCycle(*name);
  if (!cycle.ok()) return cycle.status();
  if (session.json) {
    session.PrintJson(ToJson(*cycle));
  } else if (HasEnded(*cycle)) {
    session.out() << cycle->name() << ": " << StateName(cycle->state()) << "\n";
  } else {
    session.out() << cycle->name() << " will stop after its current step\n";
  }
  return absl::OkStatus();
}

absl::Status ListCycles(const std::string& pool, Session& session) {
  absl::StatusOr<Client*> client = session.client();
  if (!client.ok()) return client.status();
  v1::ListCyclesRequest request;
  request.set_parent(PoolName(pool));
  absl::StatusOr<std::vector<v1::Cycle>> cycles = (*client)->ListCycles(request).All();
  if (!cycles.ok()) return cycles.status();
  if (session.json) {
    Json document = {{"cycles", Json::array()}};
    for (const v1::Cycle& cycle : *cycles) document["cycles"].push_back(ToJson(cycle));
    session.PrintJson(document);
    return absl::OkStatus();
  }
  TextTable table(
      {"CYCLE", "STATE", "STAGE", "LABELS", "MAP@.5", "PREDICTED", "REALIZED", "STARTED"});
  for (const v1::Cycle& cycle : *cycles) {
    const bool measured = cycle.state() == v1::CYCLE_STATE_SUCCEEDED;
    table.Add({cycle.name(), StateName(cycle.state()), StageName(cycle.stage()),
               absl::StrCat(cycle.training_images()),
               measured ? absl::StrFormat("%.4f", cycle.map50()) : "-",
               cycle.has_realised_gain() ? absl::StrFormat("%+.4f", cycle.predicted_gain()) : "-",
               cycle.has_realised_gain() ? absl::StrFormat("%+.4f", cycle.realised_gain()) : "-",
               FormatTimestamp(cycle.create_time())});
  }
  table.Print(session.out());
  return absl::OkStatus();
}

}  // namespace

void AddCycleCommands(CLI::App& app, Session& session) {
  auto* cycle = app.add_subcommand("cycle", "Run and follow training cycles");
  cycle->require_subcommand(1);
  cycle->footer("Help for one of them: mgral cycle start --help");

  auto options = std::make_shared<StartOptions>();
  auto* start = cycle->add_subcommand("start", "Start a cycle");
  start->footer("Example:\n  mgral cycle start cells --watch");
  start->add_option("pool", options->pool, "The pool's name")->required();
  start->add_flag("--watch", options->watch, "Follow it until it ends");
  start->add_flag("--without-table", options->without_table,
                  "Train and embed only: enough for strategies that need no look-up table");
  start->add_option("--request-id", options->request_id,
                    "Repeating a call with the same id starts nothing new");
  start->callback([options, &session] { session.Finish(Start(*options, session)); });

  auto given = std::make_shared<std::string>();
  auto* watch = cycle->add_subcommand("watch", "Follow a cycle until it ends");
  watch->footer("Example:\n  mgral cycle watch cells");
  watch->add_option("cycle", *given, "pools/POOL/cycles/CYCLE, or a pool for its newest cycle")
      ->required();
  watch->callback([given, &session] { session.Finish(Watch(*given, session)); });

  auto* list = cycle->add_subcommand("list", "List a pool's cycles, newest first");
  list->footer("Example:\n  mgral cycle list cells");
  list->add_option("pool", *given, "The pool's name")->required();
  list->callback([given, &session] { session.Finish(ListCycles(*given, session)); });

  auto* cancel = cycle->add_subcommand("cancel", "Cancel a cycle; the published model stays");
  cancel->footer("Example:\n  mgral cycle cancel cells");
  cancel->add_option("cycle", *given, "pools/POOL/cycles/CYCLE, or a pool for its newest cycle")
      ->required();
  cancel->callback([given, &session] { session.Finish(Cancel(*given, session)); });
}

}  // namespace mgral::client
