#include "client/cpp/simulate/simulate.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/report/report.h"
#include "client/cpp/report/statistics.h"
#include "client/cpp/simulate/play_strategy.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

absl::Status WriteReport(const Results& results, const Dataset& dataset, const std::string& out) {
  return ReplaceFile((fs::path(out) / "report.html").string(), RenderReport(results, &dataset));
}

}  // namespace

absl::StatusOr<Results> Simulate(Client& client, const Dataset& dataset,
                                 const SimulateOptions& options, ProgressBar& progress) {
  absl::StatusOr<Partition> partition = MakePartition(dataset, options);
  if (!partition.ok()) return partition.status();
  std::error_code error;
  fs::create_directories(options.out, error);
  if (error) return absl::InternalError(absl::StrCat("--out: cannot make ", options.out));
  Results results;
  results.dataset = dataset.name;
  results.classes = dataset.classes;
  results.protocol = DescribeProtocol(options, *partition, dataset);
  results.protocol["started"] =
      absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
  const std::string file = (fs::path(options.out) / "results.json").string();
  const size_t runs = options.seeds.size() * options.strategies.size();
  progress.SetTotal(static_cast<int64_t>(runs) * (options.cycles + 1));
  results.runs.reserve(runs);
  for (const int64_t seed : options.seeds) {
    for (const std::string& strategy : options.strategies) {
      StrategyRun& run = results.runs.emplace_back();
      const std::string who = absl::StrCat(strategy, ", seed ", seed, ", ");
      PlayListener listener;
      listener.doing = [&](const std::string& words) { progress.SetNote(who + words); };
      listener.measured = [&] {
        progress.Add();
        results.protocol["profile"] = run.profile;  // the server's where none was asked for
        results.summary = Summarize(results);
        return WriteResults(results, file);
      };
      absl::Status status = PlayStrategy(client, dataset, *partition, options, strategy, seed,
                                         listener, &run, &results.lookup);
      if (!status.ok() && results.runs.size() == 1 && run.points.empty()) {
        return status;  // nothing was measured: there is nothing to write
      }
      results.summary = Summarize(results);
      absl::Status written = WriteResults(results, file);
      if (written.ok()) written = WriteReport(results, dataset, options.out);
      if (!status.ok()) return status;
      if (!written.ok()) return written;
      // A pool that ran empty took fewer cycles.
      progress.Add(options.cycles + 1 - static_cast<int64_t>(run.points.size()));
    }
  }
  return results;
}

}  // namespace mgral::client
