#include <sstream>

#include "client/cpp/command/commands.h"
#include "gmock/gmock.h"
#include "tests/unit/client/fidelity/fidelity_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

// `mgral fidelity` as it is called, against the fake service.
class FidelityCommandTest : public FidelityTest {
 protected:
  int RunCommand(const std::vector<std::string>& more) {
    std::vector<std::string> line = {"mgral",
                                     "--server=" + service_.target(),
                                     "fidelity",
                                     "--dataset=" + (root_ / "data").string(),
                                     "--out=" + options_.replay.out,
                                     "--initial=10",
                                     "--largest=20",
                                     "--batches=3",
                                     "--base-seeds=1"};
    line.insert(line.end(), more.begin(), more.end());
    std::vector<const char*> argv;
    for (const std::string& argument : line) argv.push_back(argument.c_str());
    std::ostringstream out, error;
    const int code = RunMgral(static_cast<int>(argv.size()), argv.data(), out, error);
    out_ = out.str();
    error_ = error.str();
    return code;
  }

  std::string out_, error_;
};

TEST_F(FidelityCommandTest, MeasuresAndSaysWhereItIs) {
  ASSERT_EQ(RunCommand({"--seeds=1"}), kExitOk) << error_;
  EXPECT_THAT(out_, HasSubstr("3 of 3 batches measured"));
  EXPECT_THAT(out_, HasSubstr("fidelity.html"));
  ASSERT_EQ(RunCommand({"--seeds=2", "--resume", "--json"}), kExitOk) << error_;
  const auto document = nlohmann::ordered_json::parse(out_);
  EXPECT_EQ(document["trainings"].size(), 2u * 4);
  EXPECT_EQ(document["summary"]["seeds"], 2);
  EXPECT_EQ(document["summary"]["disattenuated"]["value"], "not measurable");
}

TEST_F(FidelityCommandTest, AnInterruptedRunSaysHowToGoOn) {
  service_.fail_at_cycle = 0;
  service_.fail_at_pool = 2;
  EXPECT_EQ(RunCommand({"--seeds=1"}), kExitFailed);
  EXPECT_THAT(error_, HasSubstr("batch 0"));
  EXPECT_THAT(error_, HasSubstr("--resume goes on from there"));
}

TEST_F(FidelityCommandTest, MistakesAreUsageErrors) {
  EXPECT_EQ(RunCommand({"--seeds=x"}), kExitUsage);
  EXPECT_EQ(RunCommand({"--seed=1"}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("--seed: 1"));
  EXPECT_EQ(RunCommand({"--profile=external"}), kExitUsage);
  EXPECT_EQ(RunCommand({"--strategies=mgral,badge"}), kExitUsage);
  EXPECT_TRUE(service_.pools().empty());
  ASSERT_EQ(RunCommand({"--seeds=1"}), kExitOk);
  EXPECT_EQ(RunCommand({"--seeds=1", "--resume", "--smallest=6"}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("smallest_batch 5, not 6"));
}

}  // namespace
}  // namespace mgral::client
