// mgral fit-prior
#include <filesystem>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/command/commands.h"
#include "client/cpp/command/text_table.h"
#include "client/cpp/prior/calibration.h"
#include "client/cpp/prior/fit_prior.h"
#include "client/cpp/prior/prior_file.h"
#include "client/cpp/prior/read_pool.h"
#include "server/core/lookup/features.h"

namespace mgral::client {
namespace {

struct FitPriorOptions {
  std::vector<std::string> folders;
  std::string out;
  bool few = false;
};

absl::StatusOr<std::vector<SimulatedPool>> ReadPools(const std::vector<std::string>& folders) {
  std::vector<SimulatedPool> pools;
  std::set<std::filesystem::path> seen;
  for (const std::string& folder : folders) {
    std::error_code error;
    if (!seen.insert(std::filesystem::weakly_canonical(folder, error)).second) {
      return UsageError(absl::StrCat(folder, ": is named twice"));
    }
    absl::StatusOr<SimulatedPool> pool = ReadPool(folder);
    if (!pool.ok()) return UsageError(std::string(pool.status().message()));
    pools.push_back(*std::move(pool));
  }
  return pools;
}

Json PriorJson(const std::vector<SimulatedPool>& pools, const PriorFit& fit,
               const std::vector<Calibration>& left_out) {
  Json weights = Json::array(), rows = Json::array();
  for (int f = 0; f < core::kNumFeatures; ++f) {
    weights.push_back({{"feature", core::kFeatureNames[f]},
                       {"weight", fit.values.weight[f]},
                       {"standard_deviation", fit.values.shared_sd[f]}});
  }
  for (const Calibration& row : left_out) {
    rows.push_back({{"dataset", row.dataset},
                    {"pools", row.pools},
                    {"batches", row.batches},
                    {"slope", ToJson(row.slope)},
                    {"slope_error", ToJson(row.slope_error)},
                    {"ratio", ToJson(row.ratio)},
                    {"coverage", ToJson(row.coverage)}});
  }
  std::set<std::string> datasets;
  for (const SimulatedPool& pool : pools) datasets.insert(pool.dataset);
  return {{"pools", pools.size()},
          {"datasets", datasets},
          {"informed_pools", fit.informed},
          {"weights", weights},
          {"kappa", fit.values.kappa},
          {"kappa_standard_deviation", fit.values.kappa_sd},
          {"kappa_between_datasets", fit.kappa_between_datasets},
          {"kappa_between_pools", fit.kappa_between_pools},
          {"test_noise", fit.values.test_noise},
          {"realized_noise", fit.values.realized_noise},
          {"residual_share", fit.values.residual_share},
          {"left_out", rows}};
}

std::string Fixed(const Number& number) {
  return number ? absl::StrFormat("%.2f", *number) : std::string("-");
}

void PrintPrior(const std::vector<SimulatedPool>& pools, const PriorFit& fit,
                const std::vector<Calibration>& left_out, std::ostream& out) {
  out << DescribePools(pools) << ", " << fit.informed << " of them with informative probes\n\n";
  TextTable values({"value", "mean", "over pools"});
  for (int f = 0; f < core::kNumFeatures; ++f) {
    values.Add({absl::StrCat("weight of ", core::kFeatureNames[f]),
                absl::StrFormat("%.3f", fit.values.weight[f]),
                absl::StrFormat("%.3f", fit.values.shared_sd[f])});
  }
  values.Add({"kappa", absl::StrFormat("%.3f", fit.values.kappa),
              absl::StrFormat("%.3f", fit.values.kappa_sd)});
  values.Add({"residual share", absl::StrFormat("%.3f", fit.values.residual_share), "-"});
  values.Add({"realized noise", absl::StrFormat("%.4f", fit.values.realized_noise), "-"});
  values.Print(out);
  out << absl::StrFormat(
      "\nkappa differs by %.3f between datasets and by %.3f between pools of one; the noise of a "
      "detector's test mAP is %.4f.\n",
      fit.kappa_between_datasets, fit.kappa_between_pools, fit.values.test_noise);
  if (left_out.empty()) {
    out << "\nWith one dataset, none can be left out to check the fit.\n";
    return;
  }
  out << "\nFirst batches, each dataset by a prior fitted to the others:\n\n";
  TextTable table({"dataset", "pools", "batches", "slope", "±", "realized/estimated", "in 95 %"});
  for (const Calibration& row : left_out) {
    table.Add({row.dataset, absl::StrCat(row.pools), absl::StrCat(row.batches), Fixed(row.slope),
               Fixed(row.slope_error), Fixed(row.ratio), Fixed(row.coverage)});
  }
  table.Print(out);
}

absl::Status RunFitPrior(const FitPriorOptions& options, Session& session) {
  const absl::StatusOr<std::vector<SimulatedPool>> pools = ReadPools(options.folders);
  if (!pools.ok()) return pools.status();
  const absl::StatusOr<PriorFit> fit = FitPrior(*pools);
  if (!fit.ok()) return fit.status();
  const absl::StatusOr<std::vector<Calibration>> left_out = LeaveOneDatasetOut(*pools);
  if (!left_out.ok()) return left_out.status();
  if (session.json) {
    session.PrintJson(PriorJson(*pools, *fit, *left_out));
  } else {
    PrintPrior(*pools, *fit, *left_out, session.out());
  }
  if (static_cast<int>(pools->size()) < kFewestPools && !options.few) {
    return absl::FailedPreconditionError(
        absl::StrCat("a prior needs ", kFewestPools, " simulated pools, not ", pools->size(),
                     options.out.empty() ? "" : "; nothing was written", " (--few accepts them)"));
  }
  if (options.out.empty()) return absl::OkStatus();
  return WriteFile(options.out, PriorFile(*pools, *fit, *left_out));
}

}  // namespace

void AddFitPriorCommand(CLI::App& app, Session& session) {
  auto options = std::make_shared<FitPriorOptions>();
  CLI::App* command =
      app.add_subcommand("fit-prior", "Fit the prior of look-up tables to simulated pools");
  command->footer(
      "Example:\n  mgral fit-prior --out server/core/lookup/prior_values.inc out/pools/runs/*\n\n"
      "tests/bench/results/pools simulates the pools. The next build uses the file.");
  command
      ->add_option(
          "folders", options->folders,
          "Folders written by mgral simulate --strategies lookup_greedy,random, one per pool")
      ->type_name("OUT")
      ->required();
  command->add_option("--out", options->out, "Write the values to this file");
  command->add_flag("--few", options->few,
                    absl::StrCat("Accept fewer than ", kFewestPools, " pools"));
  command->callback([options, &session] { session.Finish(RunFitPrior(*options, session)); });
}

}  // namespace mgral::client
