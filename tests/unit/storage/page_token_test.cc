#include "server/storage/page_token.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/escaping.h"
#include "server/base/errors.h"

namespace mgral::storage {
namespace {

TEST(PageTokenTest, RefusesWhatItDidNotMake) {
  const std::string token = EncodePageToken("images/7/0/0", 42);
  for (const std::string& bad :
       {std::string("x"), std::string("%"), token.substr(1), token + "A", std::string(5000, 'A'),
        absl::WebSafeBase64Escape("-1@images/7/0/0"), absl::WebSafeBase64Escape("042@images/7/0/0"),
        absl::WebSafeBase64Escape("99999999999999999999@images/7/0/0")}) {
    const auto cursor = DecodePageToken(bad, "images/7/0/0", 0);
    EXPECT_TRUE(absl::IsInvalidArgument(cursor.status())) << bad;
    EXPECT_EQ(base::FieldViolations(cursor.status()).at(0).field, "page_token");
  }
  EXPECT_FALSE(DecodePageToken(token, "images/8/0/0", 0).ok());
}

TEST(PageTokenTest, RoundTrips) {
  EXPECT_EQ(*DecodePageToken("", "a", 5), 5);
  const int64_t last = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*DecodePageToken(EncodePageToken("a@b", last), "a@b", 0), last);
}

TEST(NumericIdTest, TakesOnlyWhatItWouldWrite) {
  EXPECT_EQ(ParseNumericId("0"), 0);
  EXPECT_EQ(ParseNumericId("123"), 123);
  for (const char* bad : {"", "-1", "+1", "01", " 1", "1 ", "1x", "9223372036854775808"}) {
    EXPECT_EQ(ParseNumericId(bad), -1) << bad;
  }
}

}  // namespace
}  // namespace mgral::storage
