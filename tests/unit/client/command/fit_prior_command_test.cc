#include <cmath>

#include "client/cpp/report/results.h"
#include "gmock/gmock.h"
#include "tests/unit/client/command/command_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

// A pool of two runs that share their first cycle.
Results PoolOf(const std::string& dataset, double gain) {
  Results results;
  results.dataset = dataset;
  results.protocol["started"] = "2026-11-26T10:00:00Z";
  results.protocol["pool_images"] = 100;
  LookupRow& row = results.lookup.emplace_back();
  row.strategy = "lookup_greedy";
  row.cycle = 1;
  row.kappa = 0.5;
  row.weights_fitted = true;
  row.level = 3;
  row.weights = {{"growth", 0.4, 0.1, {0.01, 0}, 0.5, 0.2, 0.05},
                 {"coverage", 0.1, 0.1, {0, 0.01}, 0.2, 0.15, 0.05}};
  for (const double share : {0.9, 1.1}) {
    StrategyRun& run = results.runs.emplace_back();
    run.strategy = share < 1 ? "lookup_greedy" : "random";
    run.complete = true;
    run.points.resize(2);
    run.points[0].labels = 20;
    run.points[1].estimated_gain = share * gain;
    run.points[1].estimated_gain_se = 0.5 * share * gain;
    run.points[1].test_gain = gain;
    run.points[1].realized_gain = gain;
  }
  return results;
}

class FitPriorCommandTest : public CommandTest {
 protected:
  std::vector<std::string> Pools(int each) {
    std::vector<std::string> command = {"fit-prior"};
    for (int p = 0; p < 2 * each; ++p) {
      const std::string folder = folder_.path("pool" + std::to_string(p));
      std::filesystem::create_directories(folder);
      const Results pool = PoolOf(p % 2 == 0 ? "cards" : "bccd", 0.01 * (1 + p % 7));
      EXPECT_TRUE(WriteResults(pool, folder + "/results.json").ok());
      command.push_back(folder);
    }
    return command;
  }
};

TEST_F(FitPriorCommandTest, FewPoolsShipNothingUnlessAsked) {
  std::vector<std::string> command = Pools(3);
  const std::string file = folder_.path("values.inc");
  command.push_back("--out=" + file);
  EXPECT_EQ(RunAsIs(command), kExitFailed);
  EXPECT_THAT(error_, HasSubstr("50 simulated pools, not 6; nothing was written"));
  EXPECT_THAT(out_, HasSubstr("6 simulated pools (bccd 3, cards 3)"));
  EXPECT_FALSE(std::filesystem::exists(file));
  command.push_back("--few");
  EXPECT_EQ(RunAsIs(command), kExitOk) << error_;
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(FitPriorCommandTest, FiftyPoolsAreEnough) {
  std::vector<std::string> command = Pools(25);
  command.push_back("--json");
  ASSERT_EQ(RunAsIs(command), kExitOk) << error_;
  const auto document = nlohmann::json::parse(out_);
  EXPECT_EQ(document["pools"], 50);
  EXPECT_EQ(document["datasets"], nlohmann::json({"bccd", "cards"}));
  ASSERT_EQ(document["left_out"].size(), 3u);
  EXPECT_EQ(document["left_out"][2]["dataset"], "all");
  EXPECT_EQ(document["weights"][0]["feature"], "growth");
  // Estimates are right, with a kappa of 0.5 and a level of sqrt(ln 2 / (0.5 * 0.05)).
  EXPECT_NEAR(document["kappa"], 0.5 / std::sqrt(std::log(2.0) / 0.025), 0.02);
}

TEST_F(FitPriorCommandTest, AFolderThatIsNoPoolIsAUsageError) {
  EXPECT_EQ(RunAsIs({"fit-prior", folder_.path("nothing")}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("nothing/results.json"));
  std::vector<std::string> command = Pools(1);
  command.push_back(command.back() + "/.");
  EXPECT_EQ(RunAsIs(command), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("named twice"));
  EXPECT_EQ(RunAsIs({"fit-prior"}), kExitUsage);
}

}  // namespace
}  // namespace mgral::client
