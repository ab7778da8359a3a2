#include "server/storage/conninfo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/storage/migrations.h"
#include "server/storage/transaction.h"

namespace mgral::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Each has a password in which "s3c" and "r3t" stand, written in a way that libpq misunderstands.
const char* const kMisread[] = {
    "postgresql://u:s3c%r3t@127.0.0.1:1/db",
    "postgresql://u:s3c%\"r3t@127.0.0.1:1/db",
    "postgresql://u:s3c@r3t@127.0.0.1:1/db",
    "postgresql://u:s3c/r3t@127.0.0.1:1/db",
    "postgresql://u:s3c@h?r3t@127.0.0.1:1/db",
    "postgresql://127.0.0.1:1/db?password=s3c&r3t",
    "postgresql://127.0.0.1:1/db?password=s3c=r3t",
    "postgresql://127.0.0.1:1/db?passwd=s3cr3t&r3t=s3c",
    "host=127.0.0.1 port=1 password=s3c r3t",
    "host=127.0.0.1 port=1 password=s3c r3t=x",
    "host=127.0.0.1 port=1 password='s3cr3t",
    "host=127.0.0.1 port=1 password='s3c'r3t' user=u",
    "host=127.0.0.1 password=x port=s3cr3t",
};

TEST(ConninfoTest, NothingOfAnAddressThatLibpqMisreadsIsShown) {
  for (const char* const conninfo : kMisread) {
    const absl::Status status = Migrate(conninfo).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << conninfo << ": " << status;
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr("option database"));
    EXPECT_THAT(message, HasSubstr("percent-encode"));
    EXPECT_THAT(message, Not(HasSubstr("s3c"))) << conninfo;
    EXPECT_THAT(message, Not(HasSubstr("r3t"))) << conninfo;
    EXPECT_EQ(CheckSchema(conninfo), status);
  }
}

TEST(ConninfoTest, SaysWhatIsWrongWithoutQuotingIt) {
  EXPECT_THAT(std::string(CheckConninfo("postgresql://u:%zz@h/db").message()),
              HasSubstr("invalid percent-encoded token: \"...\" ("));
  EXPECT_THAT(std::string(CheckConninfo("host=h nonsense").message()),
              HasSubstr("missing \"...\" in connection info string"));
}

// "12/r3t" is a port and a database for libpq, which it could be.
TEST(ConninfoTest, APasswordThatLooksLikePortAndDatabaseIsNotShown) {
  const absl::Status status = Migrate("postgresql://127.0.0.1:12/r3t@127.0.0.1:1/db").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("r3t")));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("12")));
}

TEST(ConninfoTest, GoodAddressesPassAndTheirErrorsAreLibpqs) {
  for (const char* const good :
       {"", "dbname=mgral", "host=/run/postgresql port=5433 password='it\\'s @ 5%'",
        "postgresql://u:s3c%40r3t%2F%25@a,b:1,2/db", "postgresql:///db?host=/run/pg@1",
        "host=@abstract dbname=a@b"}) {
    EXPECT_TRUE(CheckConninfo(good).ok()) << good << ": " << CheckConninfo(good);
    EXPECT_TRUE(CheckConninfo(CompleteConninfo(good)).ok()) << good;
  }
  const absl::Status refused = Migrate("postgresql://u:s3c%40r3t@127.0.0.1:1/db").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("127.0.0.1"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Connection refused"));
  EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("s3c")));
}

}  // namespace
}  // namespace mgral::storage
