#include <string>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/unit/client/command/command_fixture.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

class CostCommandTest : public CommandTest {};

TEST_F(CostCommandTest, CostsAreAskedForAndPrinted) {
  EXPECT_EQ(Run({"query", "cats", "--size", "1"}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("labeling cost  unknown"));
  services_.batch.mutable_estimated_cost()->set_amount(46.4);
  services_.batch.mutable_estimated_cost()->set_unit(v1::COST_UNIT_BOXES);
  EXPECT_EQ(Run({"query", "cats", "--size", "1"}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("about 46 boxes"));
  services_.batch.mutable_estimated_cost()->set_unit(v1::COST_UNIT_SECONDS);
  EXPECT_EQ(Run({"query", "cats", "--size", "1"}), 0) << error_;
  EXPECT_THAT(out_, HasSubstr("about 46 s"));

  EXPECT_EQ(
      Run({"pool", "create", "cats", "--classes", "cat", "--seconds-per-image", "12.5",
           "--seconds-per-box", "7", "--uniform-share", "0", "--probe-seconds", "60", "--json"}),
      0)
      << error_;
  const auto selection = nlohmann::json::parse(out_)["selection"];
  EXPECT_EQ(selection["seconds_per_image"], 12.5);
  EXPECT_EQ(selection["seconds_per_box"], 7);
  EXPECT_EQ(selection["uniform_share"], 0);
  EXPECT_EQ(selection["probe_seconds"], 60);
  EXPECT_EQ(Run({"pool", "create", "dogs", "--classes", "dog", "--replay-probes", "-1", "--json"}),
            0)
      << error_;
  EXPECT_EQ(nlohmann::json::parse(out_)["selection"]["replay_probes"], -1);
  services_.pool.mutable_selection()->set_strategy("mgral");
  services_.pool.mutable_selection()->set_uniform_share(0.15);
  EXPECT_EQ(Run({"pool", "show", "cats"}), 0);
  EXPECT_THAT(out_, testing::AllOf(HasSubstr("15 % at random"), HasSubstr("as much as two boxes")));
}

}  // namespace
}  // namespace mgral::client
