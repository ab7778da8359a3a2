#include "server/rpc/call_runner.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <vector>

#include "server/base/errors.h"

namespace mgral::rpc {
namespace {

using Kind = CallRunner::Kind;

class CallRunnerTest : public ::testing::Test {
 protected:
  grpc::Status Run(const std::function<absl::Status()>& handler, Kind kind = Kind::kUnary) {
    grpc::ServerContext context;
    return runner_.Run(
        &context, "Service/Method", [&](const Caller&) { return handler(); }, kind);
  }
  static absl::Status Fine() { return absl::OkStatus(); }

  std::vector<CallRecord> records_;
  const std::unique_ptr<Authentication> everyone_ = *Authentication::Open("");
  CallRunner runner_{
      {2, 1}, everyone_.get(), [this](const CallRecord& call) { records_.push_back(call); }};
};

TEST_F(CallRunnerTest, RecordsEveryCall) {
  EXPECT_TRUE(Run(Fine).ok());
  EXPECT_FALSE(Run([] { return base::InvalidField("size", "is 0"); }).ok());
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_EQ(records_[0].code, "OK");
  EXPECT_EQ(records_[0].method, "Service/Method");
  EXPECT_FALSE(records_[0].request_id.empty());
  EXPECT_NE(records_[0].request_id, records_[1].request_id);
  EXPECT_EQ(records_[1].code, "INVALID_ARGUMENT");
  EXPECT_EQ(records_[1].error, "size: is 0");
  EXPECT_EQ(runner_.unary_in_flight(), 0);
  EXPECT_FALSE(records_[0].stream || records_[0].refused);
}

TEST_F(CallRunnerTest, ExceptionsEndTheCallAndNothingElse) {
  EXPECT_EQ(Run([]() -> absl::Status { throw std::runtime_error("oh"); }).error_code(),
            grpc::StatusCode::INTERNAL);
  EXPECT_EQ(Run([]() -> absl::Status { throw std::bad_alloc(); }).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Run(Fine).ok());
}

TEST_F(CallRunnerTest, ThoseTooManyAreRefusedAndStreamsHaveTheirOwnPlaces) {
  const auto refused = grpc::StatusCode::RESOURCE_EXHAUSTED;
  EXPECT_TRUE(Run([&] {
                EXPECT_TRUE(Run([&] {
                              EXPECT_EQ(Run(Fine).error_code(), refused);
                              EXPECT_TRUE(Run(
                                              [&] {
                                                EXPECT_EQ(Run(Fine, Kind::kStream).error_code(),
                                                          refused);
                                                return absl::OkStatus();
                                              },
                                              Kind::kStream)
                                              .ok());
                              return absl::OkStatus();
                            }).ok());
                return absl::OkStatus();
              }).ok());
  EXPECT_TRUE(Run(Fine).ok());  // the places are free again
}

TEST_F(CallRunnerTest, DrainingRefusesStreamsOnly) {
  runner_.StartDraining();
  EXPECT_TRUE(Run(Fine).ok());
  EXPECT_EQ(Run(Fine, Kind::kStream).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace mgral::rpc
