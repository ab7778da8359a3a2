#include "server/rpc/request_fields.h"

#include <gtest/gtest.h>

#include <limits>

#include "mgral/v1/selection_service.pb.h"
#include "server/base/errors.h"

namespace mgral::rpc {
namespace {

mgral::v1::QueryBatchRequest Request(const std::string& request_id, int size) {
  mgral::v1::QueryBatchRequest request;
  request.set_parent("pools/cats");
  request.set_request_id(request_id);
  request.set_size(size);
  return request;
}

TEST(RequestKeyTest, TheFingerprintIsThatOfTheRestOfTheRequest) {
  const auto first = ToRequestKey("QueryBatch", Request("one", 5));
  const auto same = ToRequestKey("QueryBatch", Request("two", 5));
  const auto other = ToRequestKey("QueryBatch", Request("one", 6));
  ASSERT_TRUE(first.ok() && same.ok() && other.ok());
  EXPECT_EQ(first->method, "QueryBatch");
  EXPECT_EQ(first->request_id, "one");
  EXPECT_EQ(first->fingerprint.size(), 64u);
  EXPECT_EQ(first->fingerprint, same->fingerprint);
  EXPECT_NE(first->fingerprint, other->fingerprint);
}

TEST(RequestKeyTest, WithoutAnIdThereIsNothingToRemember) {
  const auto key = ToRequestKey("QueryBatch", Request("", 5));
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(key->request_id.empty());
  EXPECT_TRUE(key->fingerprint.empty());
}

TEST(RequestKeyTest, IdsAreShortAndPrintable) {
  EXPECT_TRUE(ToRequestKey("QueryBatch", Request(std::string(128, 'r'), 5)).ok());
  for (const std::string& id : {std::string(129, 'r'), std::string("a\nb")}) {
    const auto key = ToRequestKey("QueryBatch", Request(id, 5));
    ASSERT_FALSE(key.ok());
    EXPECT_EQ(base::FieldViolations(key.status())[0].field, "request_id");
  }
}

TEST(PageTest, SizesHaveADefaultAndALimit) {
  EXPECT_EQ(ToPage(0, "")->size, 50);
  EXPECT_EQ(ToPage(7, "token")->token, "token");
  EXPECT_EQ(ToPage(1'000'000, "")->size, 1000);
  EXPECT_EQ(base::FieldViolations(ToPage(-1, "").status())[0].field, "page_size");
  EXPECT_EQ(base::FieldViolations(ToPage(1, std::string(2000, 't')).status())[0].field,
            "page_token");
}

TEST(DurationTest, ImpossibleOnesAreRefused) {
  google::protobuf::Duration duration;
  duration.set_seconds(1);
  duration.set_nanos(500'000'000);
  EXPECT_EQ(*ToDuration(duration, "lease_duration"), absl::Milliseconds(1500));
  duration.set_nanos(-1);
  EXPECT_FALSE(ToDuration(duration, "lease_duration").ok());
  duration.set_nanos(1'000'000'000);
  EXPECT_FALSE(ToDuration(duration, "lease_duration").ok());
  duration.set_nanos(0);
  duration.set_seconds(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(base::FieldViolations(ToDuration(duration, "lease_duration").status())[0].field,
            "lease_duration");
}

TEST(TimestampTest, AlsoBefore1970) {
  google::protobuf::Timestamp timestamp;
  SetTimestamp(absl::FromUnixMillis(-1500), &timestamp);
  EXPECT_EQ(timestamp.seconds(), -2);
  EXPECT_EQ(timestamp.nanos(), 500'000'000);
}

}  // namespace
}  // namespace mgral::rpc
