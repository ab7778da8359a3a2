#include "client/cpp/simulate/simulate.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/report/report.h"
#include "client/cpp/report/summary.h"
#include "client/cpp/simulate/play_strategy.h"
#include "client/cpp/simulate/resume.h"

namespace mgral::client {
namespace {

namespace fs = std::filesystem;

class Simulation {
 public:
  Simulation(Client& client, const Dataset& dataset, const Partition& partition,
             SimulateOptions options, ProgressBar& progress)
      : client_(client),
        dataset_(dataset),
        partition_(partition),
        options_(std::move(options)),
        progress_(progress),
        file_((fs::path(options_.out) / "results.json").string()) {}

  // Empty results, or those that are gone on with.
  absl::Status Begin();
  absl::Status PlaySeed(int64_t seed);
  Results TakeResults() { return std::move(results_); }

 private:
  bool IsFinished(const std::string& strategy, int64_t seed) const;
  absl::Status Play(PlayRequest request, std::map<std::string, SharedStart>* starts);
  absl::Status Write(bool with_report);

  Client& client_;
  const Dataset& dataset_;
  const Partition& partition_;
  SimulateOptions options_;
  ProgressBar& progress_;
  const std::string file_;
  Results results_;
};

absl::Status Simulation::Begin() {
  results_.dataset = dataset_.name;
  results_.classes = dataset_.classes;
  results_.protocol = DescribeProtocol(options_, partition_, dataset_);
  results_.protocol["started"] =
      absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
  const int64_t points = options_.cycles + 1;
  progress_.SetTotal(static_cast<int64_t>(options_.seeds.size() * options_.strategies.size()) *
                     points);
  if (!options_.resume || !fs::exists(file_)) return absl::OkStatus();
  absl::StatusOr<Results> found = ReadResults(file_);
  if (!found.ok()) return found.status();
  absl::StatusOr<Results> kept = KeepFinishedRuns(*std::move(found), std::move(results_), options_);
  if (!kept.ok()) return kept.status();
  results_ = *std::move(kept);
  options_.profile = results_.protocol["profile"].get<std::string>();
  int64_t finished = 0;
  for (const int64_t seed : options_.seeds) {
    for (const std::string& strategy : options_.strategies) finished += IsFinished(strategy, seed);
  }
  progress_.StartFrom(finished * points);
  // Where all runs are finished: new rates, and a report of this release.
  return results_.runs.empty() ? absl::OkStatus() : Write(/*with_report=*/true);
}

bool Simulation::IsFinished(const std::string& strategy, int64_t seed) const {
  return std::any_of(results_.runs.begin(), results_.runs.end(), [&](const StrategyRun& run) {
    return run.strategy == strategy && run.seed == seed && run.complete;
  });
}

absl::Status Simulation::Write(bool with_report) {
  Summarize(&results_);
  absl::Status status = WriteResults(results_, file_);
  if (!status.ok() || !with_report) return status;
  return ReplaceFile((fs::path(options_.out) / "report.html").string(),
                     RenderReport(results_, &dataset_));
}

absl::Status Simulation::PlaySeed(int64_t seed) {
  std::vector<std::string> left;
  for (const std::string& strategy : options_.strategies) {
    if (!IsFinished(strategy, seed)) left.push_back(strategy);
  }
  // The shared cycle is the first of a strategy with a table, if there is one, or of one that has
  // to train by itself, too: its snapshot answers the others, and its run goes on.
  const auto needs_table = [this](const std::string& label) {
    return NeedsTable(VariantOf(options_, label).strategy);
  };
  const auto shares_start = [this](const std::string& label) {
    return SharesFirstCycle(VariantOf(options_, label).strategy);
  };
  auto host = std::find_if(left.begin(), left.end(), needs_table);
  if (host == left.end()) host = std::find_if_not(left.begin(), left.end(), shares_start);
  if (host != left.end()) std::rotate(left.begin(), host, host + 1);
  std::map<std::string, SharedStart> starts;
  for (const std::string& strategy : left) {
    PlayRequest request{dataset_, partition_, options_, strategy, seed, nullptr, {}};
    if (strategy == left.front() && !options_.warm_start) {
      std::copy_if(left.begin() + 1, left.end(), std::back_inserter(request.share_with),
                   shares_start);
    }
    const auto start = starts.find(strategy);
    if (start != starts.end()) request.start = &start->second;
    if (absl::Status status = Play(std::move(request), &starts); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Simulation::Play(PlayRequest request, std::map<std::string, SharedStart>* starts) {
  StrategyRun& run = results_.runs.emplace_back();
  const std::string who = absl::StrCat(request.strategy, ", seed ", request.seed, ", ");
  PlayListener listener;
  listener.doing = [&](const std::string& words) { progress_.SetNote(who + words); };
  listener.measured = [&] {
    progress_.Add();
    results_.protocol["profile"] = run.profile;  // the server's where none was asked for
    return Write(/*with_report=*/false);
  };
  absl::Status status = PlayStrategy(client_, request, listener, {run, results_.lookup, *starts});
  // A pool that ran empty took fewer cycles.
  if (status.ok()) progress_.Add(options_.cycles + 1 - static_cast<int64_t>(run.points.size()));
  if (run.points.empty()) results_.runs.pop_back();
  if (results_.runs.empty()) return status;  // nothing was measured: there is nothing to write
  const absl::Status written = Write(/*with_report=*/true);
  return status.ok() ? written : status;
}

}  // namespace

absl::StatusOr<Results> Simulate(Client& client, const Dataset& dataset,
                                 const SimulateOptions& options, ProgressBar& progress) {
  absl::StatusOr<Partition> partition = MakePartition(dataset, options);
  if (!partition.ok()) return partition.status();
  std::error_code error;
  fs::create_directories(options.out, error);
  if (error) return absl::InternalError(absl::StrCat("--out: cannot make ", options.out));
  Simulation simulation(client, dataset, *partition, options, progress);
  absl::Status status = simulation.Begin();
  for (size_t i = 0; status.ok() && i < options.seeds.size(); ++i) {
    status = simulation.PlaySeed(options.seeds[i]);
  }
  if (!status.ok()) return status;
  return simulation.TakeResults();
}

}  // namespace mgral::client
