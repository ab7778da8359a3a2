#include "client/cpp/lib/errors.h"

#include <string>

#include "client/cpp/lib/retry.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kTarget[] = "gpu1:50051";

grpc::Status WithDetails(grpc::StatusCode code, const std::string& message,
                         const std::vector<const google::protobuf::Message*>& details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  for (const auto* detail : details) status.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

TEST(Errors, OkIsOk) {
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  EXPECT_EQ(Describe(absl::OkStatus(), kTarget), "");
}

TEST(Errors, FieldsAreNamed) {
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_FIELD");
  google::rpc::BadRequest request;
  for (int i = 0; i < 2; ++i) {
    auto* violation = request.add_field_violations();
    violation->set_field("images[" + std::to_string(i) + "].source.path");
    violation->set_description("leaves the image root");
  }
  const absl::Status status =
      FromGrpc(WithDetails(grpc::INVALID_ARGUMENT, "2 fields are wrong", {&info, &request}));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(Reason(status), "INVALID_FIELD");
  ASSERT_EQ(FieldViolations(status).size(), 2u);
  EXPECT_EQ(FieldViolations(status)[1].field, "images[1].source.path");
  EXPECT_EQ(Describe(status, kTarget),
            "error: 2 fields are wrong [INVALID_FIELD]\n"
            "  images[0].source.path: leaves the image root\n"
            "  images[1].source.path: leaves the image root");
  EXPECT_FALSE(IsConnectionFailure(status));
}

TEST(Errors, AMessageThatNamesItsFieldIsNotRepeated) {
  google::rpc::BadRequest request;
  request.add_field_violations()->set_field("size");
  request.mutable_field_violations(0)->set_description("must be 1 to 10000");
  const absl::Status status =
      FromGrpc(WithDetails(grpc::INVALID_ARGUMENT, "size: must be 1 to 10000", {&request}));
  EXPECT_EQ(Describe(status, kTarget), "error: size: must be 1 to 10000");
}

TEST(Errors, RetryInfoSaysWhen) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(250000000);
  const absl::Status status =
      FromGrpc(WithDetails(grpc::RESOURCE_EXHAUSTED, "too many calls", {&retry}));
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(250));
  EXPECT_THAT(Describe(status, kTarget), HasSubstr("Try again in 250ms"));
  retry.mutable_retry_delay()->set_seconds(-7);
  EXPECT_EQ(RetryDelay(FromGrpc(WithDetails(grpc::UNAVAILABLE, "", {&retry}))),
            absl::ZeroDuration());
}

TEST(Errors, TheResourceInTheWay) {
  google::rpc::ResourceInfo resource;
  resource.set_resource_name("pools/cats/cycles/3");
  const absl::Status status =
      FromGrpc(WithDetails(grpc::ALREADY_EXISTS, "a cycle is running", {&resource}));
  EXPECT_EQ(ResourceName(status), "pools/cats/cycles/3");
}

TEST(Errors, NobodyAnswers) {
  const absl::Status nobody = FromGrpc(grpc::Status(grpc::UNAVAILABLE, "connection refused"));
  EXPECT_TRUE(IsConnectionFailure(nobody));
  EXPECT_THAT(Describe(nobody, kTarget),
              testing::AllOf(HasSubstr("no mgral-server answers at gpu1:50051"),
                             HasSubstr("--server"), HasSubstr("MGRAL_SERVER")));
  google::rpc::ErrorInfo info;
  info.set_reason("UNAVAILABLE");
  const absl::Status draining = FromGrpc(WithDetails(grpc::UNAVAILABLE, "draining", {&info}));
  EXPECT_FALSE(IsConnectionFailure(draining));
  EXPECT_THAT(Describe(draining, kTarget), Not(HasSubstr("Is the server running")));
}

TEST(Errors, GarbledDetailsDoNoHarm) {
  for (const std::string& details : {std::string("\xff\xff\xff"), std::string(1000, '\x0a')}) {
    const absl::Status status = FromGrpc(grpc::Status(grpc::NOT_FOUND, "no such pool", details));
    EXPECT_EQ(Describe(status, kTarget), "error: no such pool");
    EXPECT_EQ(Reason(status), "");
  }
  google::rpc::Status packed;
  packed.add_details()->set_type_url("type.googleapis.com/google.rpc.BadRequest");
  packed.mutable_details(0)->set_value("\xff\xff");
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::NOT_FOUND, "no such pool", packed.SerializeAsString()));
  EXPECT_TRUE(FieldViolations(status).empty());
}

TEST(Errors, WhatToDo) {
  EXPECT_THAT(Describe(absl::DeadlineExceededError("late"), kTarget), HasSubstr("--timeout"));
  EXPECT_THAT(Describe(absl::InternalError("bug"), kTarget), HasSubstr("its log"));
  EXPECT_THAT(Describe(absl::UnimplementedError(""), kTarget), HasSubstr("UNIMPLEMENTED"));
}

TEST(RetryPolicy, WhatIsRetried) {
  const RetryPolicy policy;
  EXPECT_TRUE(policy.IsRetryable(absl::UnavailableError("")));
  EXPECT_FALSE(policy.IsRetryable(absl::OkStatus()));
  EXPECT_FALSE(policy.IsRetryable(absl::InvalidArgumentError("")));
  EXPECT_FALSE(policy.IsRetryable(absl::DeadlineExceededError("")));
  // A message that is larger than a limit stays too large.
  EXPECT_FALSE(policy.IsRetryable(absl::ResourceExhaustedError("message larger than max")));
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  const absl::Status busy = FromGrpc(WithDetails(grpc::RESOURCE_EXHAUSTED, "busy", {&retry}));
  EXPECT_TRUE(policy.IsRetryable(busy));
  EXPECT_EQ(policy.Delay(busy, 1), absl::Seconds(2));
}

TEST(RetryPolicy, BackoffDoublesUpToItsLimitWithJitter) {
  const RetryPolicy policy;
  for (int attempt = 1; attempt <= 100; ++attempt) {
    const absl::Duration full =
        std::min(absl::Seconds(10), absl::Milliseconds(200) * std::pow(2.0, attempt - 1));
    const absl::Duration delay = policy.Delay(absl::UnavailableError(""), attempt);
    EXPECT_GE(delay, full / 2) << attempt;
    EXPECT_LE(delay, full) << attempt;
  }
}

TEST(RequestIds, AreFresh) {
  EXPECT_EQ(NewRequestId().size(), 32u);
  EXPECT_NE(NewRequestId(), NewRequestId());
}

}  // namespace
}  // namespace mgral::client
