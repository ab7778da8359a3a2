#include "server/rpc/status_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/errors.h"

namespace mgral::rpc {
namespace {

using ::testing::HasSubstr;

// HTTP/2 trailers that every client takes.
constexpr size_t kTrailerBytes = 8192;

template <typename Detail>
std::vector<Detail> Details(const grpc::Status& status) {
  google::rpc::Status packed;
  EXPECT_TRUE(packed.ParseFromString(status.error_details()));
  EXPECT_EQ(packed.code(), status.error_code());
  std::vector<Detail> found;
  for (const google::protobuf::Any& any : packed.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) found.push_back(detail);
  }
  return found;
}

TEST(StatusMapTest, OkIsOk) { EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok()); }

TEST(StatusMapTest, EveryCodeIsItself) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpc(absl::Status(static_cast<absl::StatusCode>(code), "words"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "words");
    const auto info = Details<google::rpc::ErrorInfo>(status);
    ASSERT_EQ(info.size(), 1u);
    EXPECT_EQ(info[0].domain(), "mgral");
    EXPECT_EQ(info[0].reason(), absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
  }
}

TEST(StatusMapTest, ViolationsBecomeABadRequest) {
  const grpc::Status status = ToGrpc(base::InvalidFields({{"a", "is empty"}, {"b[1]", "is NaN"}}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto bad = Details<google::rpc::BadRequest>(status);
  ASSERT_EQ(bad.size(), 1u);
  ASSERT_EQ(bad[0].field_violations_size(), 2);
  EXPECT_EQ(bad[0].field_violations(1).field(), "b[1]");
  EXPECT_EQ(bad[0].field_violations(1).description(), "is NaN");
  EXPECT_EQ(Details<google::rpc::ErrorInfo>(status)[0].reason(), "INVALID_FIELD");
}

TEST(StatusMapTest, ResourcesAndRetries) {
  const auto resource =
      Details<google::rpc::ResourceInfo>(ToGrpc(base::NotFound("pool", "pools/cats")));
  ASSERT_EQ(resource.size(), 1u);
  EXPECT_EQ(resource[0].resource_type(), "pool");
  EXPECT_EQ(resource[0].resource_name(), "pools/cats");
  const auto retry =
      Details<google::rpc::RetryInfo>(ToGrpc(base::Overloaded("full", absl::Milliseconds(2500))));
  ASSERT_EQ(retry.size(), 1u);
  EXPECT_EQ(retry[0].retry_delay().seconds(), 2);
  EXPECT_EQ(retry[0].retry_delay().nanos(), 500'000'000);
  EXPECT_TRUE(Details<google::rpc::RetryInfo>(ToGrpc(absl::InternalError("x"))).empty());
}

TEST(StatusMapTest, FitsIntoTrailersWhateverItSays) {
  std::vector<base::FieldViolation> many;
  for (int i = 0; i < 20; ++i) many.push_back({std::string(500, 'f'), std::string(5000, 'd')});
  const grpc::Status status = ToGrpc(base::InvalidFields(many));
  EXPECT_LT(status.error_message().size() * 3 + status.error_details().size() * 4 / 3,
            kTrailerBytes);
  EXPECT_GE(Details<google::rpc::BadRequest>(status)[0].field_violations_size(), 5);
}

TEST(StatusMapTest, WordsInNoEncodingBecomeUtf8) {
  const grpc::Status status = ToGrpc(absl::InternalError("libfoo: \xff\xfe broke \xc3\xa9\xc3"));
  EXPECT_EQ(status.error_message(), "libfoo: ?? broke \xc3\xa9?");
  // Cut between characters, not within one.
  std::string long_text;
  for (int i = 0; i < 2000; ++i) long_text += "\xed\x95\x9c";
  EXPECT_EQ((ToGrpc(absl::InternalError(long_text)).error_message().size() - 3) % 3, 0u);
}

}  // namespace
}  // namespace mgral::rpc
