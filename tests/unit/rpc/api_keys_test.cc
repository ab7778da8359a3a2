#include "server/rpc/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mgral::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kA(64, 'a'), kB(64, 'B');

TEST(ApiKeysTest, ReadsNamesHashesAndPools) {
  const auto keys = ParseApiKeys(absl::StrCat("# who may come in\n\n  ops\t", kA,
                                              " # all\r\nteam-b ", kB, " b-*,shared,x-1 \n"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[0].name, "ops");
  EXPECT_EQ((*keys)[0].hash, absl::HexStringToBytes(kA));
  EXPECT_TRUE((*keys)[0].pools.all);
  EXPECT_EQ((*keys)[1].hash, std::string(32, '\xBB'));
  EXPECT_FALSE((*keys)[1].pools.all);
  EXPECT_THAT((*keys)[1].pools.pool_ids, ElementsAre("shared", "x-1"));
  EXPECT_THAT((*keys)[1].pools.prefixes, ElementsAre("b-"));
}

TEST(ApiKeysTest, ANameMayHaveTwoKeys) {
  EXPECT_TRUE(ParseApiKeys(absl::StrCat("ops ", kA, "\nops ", kB, "\n")).ok());
}

TEST(ApiKeysTest, AStarOpensAllPools) {
  for (const char* pools : {"*", "a,*", "*,b-*"}) {
    const auto keys = ParseApiKeys(absl::StrCat("ops ", kA, " ", pools, "\n"));
    ASSERT_TRUE(keys.ok()) << keys.status();
    EXPECT_TRUE(keys->front().pools.all);
  }
}

TEST(ApiKeysTest, RefusesLinesByTheirNumber) {
  const std::string good = absl::StrCat("ops ", kA, "\n");
  for (const std::string& bad :
       {std::string("ops"), absl::StrCat("team ", kA.substr(1)), absl::StrCat("team ", kA, "a"),
        absl::StrCat("team g", kA.substr(1)), absl::StrCat("te/am ", kB),
        absl::StrCat(std::string(65, 'n'), " ", kB), absl::StrCat("team ", kB, " A"),
        absl::StrCat("team ", kB, " a,"), absl::StrCat("team ", kB, " ,a"),
        absl::StrCat("team ", kB, " a**"), absl::StrCat("team ", kB, " *a"),
        absl::StrCat("team ", kB, " a b"), absl::StrCat("team ", kB, " a", std::string(1, 0), "b"),
        absl::StrCat("other ", kA), absl::StrCat("t\xc3\xa9 ", kB)}) {
    const auto keys = ParseApiKeys(absl::StrCat("#\n", good, bad, "\n", good));
    EXPECT_TRUE(absl::IsInvalidArgument(keys.status())) << bad;
    EXPECT_THAT(std::string(keys.status().message()), HasSubstr("line 3: ")) << bad;
  }
}

TEST(ApiKeysTest, NeverShowsWhatMayBeAKey) {
  const auto keys = ParseApiKeys("ops mgral_secret\n");
  EXPECT_THAT(std::string(keys.status().message()), ::testing::Not(HasSubstr("secret")));
}

// Cut within POOLS it would open more than it should.
TEST(ApiKeysTest, RefusesAFileThatIsCut) {
  const std::string whole = absl::StrCat("team ", kA, " a-1,b-*\n");
  EXPECT_TRUE(ParseApiKeys(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseApiKeys(whole.substr(0, size)).ok()) << size;
  }
}

TEST(ApiKeysTest, RefusesAFileWithoutKeys) {
  for (const char* text : {"", "\n\n", "# ops\n"}) {
    EXPECT_THAT(std::string(ParseApiKeys(text).status().message()), HasSubstr("contains no key"));
  }
}

TEST(ApiKeysTest, WhatItMakesItReads) {
  const auto made = MakeApiKey("ci", "ci-*,x");
  const auto other = MakeApiKey("ci", "");
  ASSERT_TRUE(made.ok() && other.ok());
  EXPECT_NE(made->key, other->key);
  EXPECT_THAT(made->key, ::testing::MatchesRegex("mgral_[A-Za-z0-9_-]{43}"));
  EXPECT_THAT(made->line, ::testing::Not(HasSubstr(made->key)));
  const auto keys = ParseApiKeys(absl::StrCat(made->line, "\n", other->line, "\n"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ((*keys)[0].hash, Sha256(made->key));
  EXPECT_THAT((*keys)[0].pools.prefixes, ElementsAre("ci-"));
  EXPECT_TRUE((*keys)[1].pools.all);
}

TEST(ApiKeysTest, MakesNoneThatItWouldNotRead) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiKey("", "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiKey("a b", "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiKey("a#", "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiKey("a", "a, b").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiKey("a", "pools/a").status()));
}

TEST(PoolScopeTest, ContainsIdsAndBeginnings) {
  domain::PoolScope scope;
  EXPECT_TRUE(scope.Contains("anything"));
  scope = {false, {"shared"}, {"a-"}};
  for (const char* in : {"shared", "a-", "a-1"}) EXPECT_TRUE(scope.Contains(in)) << in;
  for (const char* out : {"", "a", "share", "shared2", "b-a-1", "A-1"}) {
    EXPECT_FALSE(scope.Contains(out)) << out;
  }
  EXPECT_FALSE(domain::PoolScope({false, {}, {}}).Contains(""));
}

}  // namespace
}  // namespace mgral::rpc
