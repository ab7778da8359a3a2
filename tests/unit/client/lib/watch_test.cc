#include <vector>

#include "client/cpp/lib/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/client/fake_server.h"

namespace mgral::client {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

v1::Cycle CycleAt(double fraction, v1::CycleState state = v1::CYCLE_STATE_RUNNING) {
  v1::Cycle cycle;
  cycle.set_name("pools/cats/cycles/1");
  cycle.set_state(state);
  cycle.set_stage(v1::CYCLE_STAGE_TRAIN);
  cycle.add_stages()->set_stage(v1::CYCLE_STAGE_TRAIN);
  cycle.mutable_stages(0)->set_fraction(fraction);
  return cycle;
}

class WatchTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Cycle> Watch() {
    return client_->WatchCycle("pools/cats/cycles/1", [this](const v1::Cycle& cycle) {
      seen_.push_back(cycle.stages(0).fraction());
    });
  }

  FakeServer server_;
  FakeServices& services_ = server_.services();
  std::vector<absl::Duration> waits_;
  std::unique_ptr<Client> client_ = server_.MakeClient(&waits_);
  std::vector<double> seen_;
};

TEST_F(WatchTest, FollowsToTheEnd) {
  services_.watches = {{CycleAt(0.1), CycleAt(0.5), CycleAt(1, v1::CYCLE_STATE_FAILED)}};
  const auto cycle = Watch();
  ASSERT_TRUE(cycle.ok()) << cycle.status();
  EXPECT_EQ(cycle->state(), v1::CYCLE_STATE_FAILED);
  EXPECT_THAT(seen_, ElementsAre(0.1, 0.5, 1));
}

TEST_F(WatchTest, ConnectsAgainAfterABreakAndAfterADrain) {
  services_.watches = {{CycleAt(0.1)}, {}, {CycleAt(0.3)}, {CycleAt(1, v1::CYCLE_STATE_SUCCEEDED)}};
  services_.watch_ends = {grpc::Status(grpc::UNAVAILABLE, "restart"),
                          grpc::Status(grpc::CANCELLED, "restart"), grpc::Status::OK};
  const auto cycle = Watch();
  ASSERT_TRUE(cycle.ok()) << cycle.status();
  EXPECT_THAT(seen_, ElementsAre(0.1, 0.3, 1));
  EXPECT_THAT(waits_, SizeIs(3));
}

TEST_F(WatchTest, ARefusalIsFinal) {
  services_.watches = {{}};
  services_.watch_ends = {Refusal(grpc::NOT_FOUND, "NOT_FOUND", "no such cycle")};
  EXPECT_TRUE(absl::IsNotFound(Watch().status()));
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(WatchTest, AServerThatNeverAnswersIsGivenUpSoonAndOneThatDidLater) {
  EXPECT_TRUE(absl::IsUnavailable(Watch().status()));
  EXPECT_THAT(services_.calls, SizeIs(client_->options().retry.max_attempts));
  waits_.clear();
  services_.watches = {{CycleAt(0.1)}};
  EXPECT_TRUE(absl::IsUnavailable(Watch().status()));
  absl::Duration waited;
  for (const absl::Duration wait : waits_) waited += wait;
  EXPECT_GT(waited, client_->options().reconnect_patience - absl::Seconds(11));
  EXPECT_LE(waited, client_->options().reconnect_patience);
}

}  // namespace
}  // namespace mgral::client
