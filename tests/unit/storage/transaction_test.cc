#include "server/storage/transaction.h"

#include <gtest/gtest.h>

#include "server/base/errors.h"

namespace mgral::storage {
namespace {

template <typename Error>
SqlFailure FailureOf(const Error& error) {
  try {
    throw error;
  } catch (...) {
    return CurrentSqlFailure();
  }
}

TEST(StorableTextTest, IsUtf8WithoutNul) {
  for (const std::string& good : {std::string(), std::string("abc"), std::string("\xc3\xa4"),
                                  std::string("\xe2\x82\xac"), std::string("\xf0\x9f\x90\x88")}) {
    EXPECT_TRUE(IsStorableText(good)) << good;
  }
  for (const std::string& bad :
       {std::string("a\0b", 3), std::string("\x80"), std::string("\xc0\x80"), std::string("\xc3"),
        std::string("\xe2\x82"), std::string("\xe0\x80\x80"), std::string("\xed\xa0\x80"),
        std::string("\xf0\x80\x80\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xff")}) {
    EXPECT_FALSE(IsStorableText(bad));
  }
}

TEST(SqlFailureTest, SaysWhatCanBeDone) {
  const auto state = [](const char* code) {
    return FailureOf(pqxx::sql_error("ERROR: words\nDETAIL: more", "SELECT 1", code));
  };
  EXPECT_TRUE(state("40P01").conflict);
  EXPECT_TRUE(absl::IsUnavailable(state("40001").status));
  EXPECT_TRUE(absl::IsResourceExhausted(state("53100").status));
  EXPECT_GT(base::RetryAfter(state("53100").status), absl::ZeroDuration());
  EXPECT_TRUE(state("57P01").broken);
  EXPECT_TRUE(absl::IsUnavailable(state("08006").status));
  EXPECT_TRUE(absl::IsUnavailable(state("25006").status));
  EXPECT_TRUE(absl::IsNotFound(state("23503").status));
  EXPECT_TRUE(absl::IsInvalidArgument(state("22021").status));
  EXPECT_EQ(state("42601").status.message(), "database error 42601: ERROR: words");
  EXPECT_TRUE(FailureOf(pqxx::broken_connection("gone")).broken);
  EXPECT_TRUE(FailureOf(pqxx::in_doubt_error("who knows")).in_doubt);
#if PQXX_VERSION_MAJOR < 7
  EXPECT_TRUE(FailureOf(pqxx::deadlock_detected("dead")).conflict);
#else
  EXPECT_TRUE(FailureOf(pqxx::deadlock_detected("dead", "")).conflict);
#endif
  EXPECT_TRUE(absl::IsInvalidArgument(FailureOf(InvalidText{""}).status));
  EXPECT_TRUE(absl::IsResourceExhausted(FailureOf(std::bad_alloc()).status));
  EXPECT_EQ(FailureOf(std::runtime_error("x")).status.code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace mgral::storage
