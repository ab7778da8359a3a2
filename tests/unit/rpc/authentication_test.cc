#include "server/rpc/authentication.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "server/base/errors.h"
#include "server/rpc/find_pool.h"
#include "tests/support/mock_pool_store.h"

namespace mgral::rpc {
namespace {

class AuthenticationTest : public ::testing::Test {
 protected:
  AuthenticationTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "mgral-keys-XXXXXX").string();
    if (mkdtemp(&folder[0]) == nullptr) abort();
    folder_ = folder;
  }
  ~AuthenticationTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& text) {
    const std::string path = folder_ + "/keys";
    std::ofstream(path) << text;
    return path;
  }
  static absl::StatusOr<Caller> Call(const Authentication& authentication, const std::string& key) {
    const std::string header = "Bearer " + key;
    return authentication.Authenticate({{"x-other", "1"}, {"authorization", header}});
  }

  std::string folder_;
  const NewApiKey ops_ = *MakeApiKey("ops", ""), team_ = *MakeApiKey("team", "a-*");
};

TEST_F(AuthenticationTest, WithoutAFileEveryoneSeesEverything) {
  const auto authentication = *Authentication::Open("");
  const auto caller = authentication->Authenticate({});
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->key_name, "");
  EXPECT_TRUE(caller->pools.all);
  EXPECT_TRUE(authentication->StillValid(*caller).ok());
  EXPECT_FALSE(*authentication->Reload());
}

TEST_F(AuthenticationTest, KnowsWhoseKeyItIs) {
  const auto authentication = *Authentication::Open(Write(ops_.line + "\n" + team_.line + "\n"));
  EXPECT_EQ(authentication->size(), 2u);
  EXPECT_EQ(Call(*authentication, ops_.key)->key_name, "ops");
  const auto team = Call(*authentication, team_.key);
  EXPECT_EQ(team->key_name, "team");
  EXPECT_FALSE(team->pools.Contains("b-1"));
  EXPECT_EQ(base::Reason(authentication->Authenticate({}).status()), "API_KEY_MISSING");
  EXPECT_EQ(base::Reason(Call(*authentication, "").status()), "API_KEY_INVALID");
  EXPECT_EQ(base::Reason(Call(*authentication, ops_.key + " ").status()), "API_KEY_INVALID");
  EXPECT_TRUE(authentication->Authenticate({{"authorization", "bearer " + ops_.key}}).ok());
}

TEST_F(AuthenticationTest, ReloadSaysWhatHappenedOnce) {
  const auto authentication = *Authentication::Open(Write(ops_.line + "\n"));
  EXPECT_FALSE(*authentication->Reload());
  Write("nonsense\n");
  EXPECT_TRUE(absl::IsInvalidArgument(authentication->Reload().status()));
  EXPECT_FALSE(*authentication->Reload());  // told already
  EXPECT_TRUE(Call(*authentication, ops_.key).ok());
  std::filesystem::remove(folder_ + "/keys");
  EXPECT_TRUE(absl::IsInvalidArgument(authentication->Reload().status()));
  EXPECT_FALSE(*authentication->Reload());
  EXPECT_TRUE(Call(*authentication, ops_.key).ok());
  Write(team_.line + "\n");
  EXPECT_TRUE(*authentication->Reload());
  EXPECT_FALSE(Call(*authentication, ops_.key).ok());
  EXPECT_TRUE(Call(*authentication, team_.key).ok());
}

TEST_F(AuthenticationTest, AStreamsKeyMayGoAndItsPoolsMayChange) {
  const auto authentication = *Authentication::Open(Write(ops_.line + "\n" + team_.line + "\n"));
  const Caller ops = *Call(*authentication, ops_.key), team = *Call(*authentication, team_.key);
  EXPECT_TRUE(authentication->StillValid(team).ok());
  Write(ops_.line + "\n" + team_.line + ",b\n");
  ASSERT_TRUE(*authentication->Reload());
  EXPECT_TRUE(authentication->StillValid(ops).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(authentication->StillValid(team)));
  Write(team_.line + "\n");
  ASSERT_TRUE(*authentication->Reload());
  EXPECT_TRUE(absl::IsUnauthenticated(authentication->StillValid(ops)));
}

TEST_F(AuthenticationTest, NamesTheFileAndTheLine) {
  const auto opened = Authentication::Open(Write(ops_.line + "\n?\n"));
  EXPECT_EQ(opened.status().message(),
            folder_ + "/keys: line 2: its form is NAME SHA256HEX [POOLS]");
}

TEST(FindPoolTest, APoolOutOfScopeIsLikeOneThatDoesNotExist) {
  testing::NiceMock<test::MockPoolStore> pools;
  ON_CALL(pools, GetPool).WillByDefault([](const std::string& id) -> absl::StatusOr<domain::Pool> {
    if (id == "b-1") return domain::Pool();
    return base::NotFound("pool", "pools/" + id);
  });
  Caller all, team;
  team.pools = {false, {}, {"a-"}};
  EXPECT_TRUE(FindPool(&pools, all, "pools/b-1", "name").ok());
  const auto foreign = FindPool(&pools, team, "pools/b-1", "name").status();
  EXPECT_EQ(foreign, base::NotFound("pool", "pools/b-1"));
  EXPECT_EQ(FindPoolOfChild(&pools, team, "pools/b-1/batches/1", "batches").status(), foreign);
  EXPECT_EQ(FindPoolId(team, "pools/b-1", "name").status(), foreign);
  EXPECT_EQ(FindPool(&pools, all, "pools/a-1", "name").status(),
            FindPool(&pools, team, "pools/a-1", "name").status());
  EXPECT_TRUE(absl::IsInvalidArgument(FindPool(&pools, team, "b-1", "name").status()));
}

TEST(FindPoolTest, CreatesOnlyWhatItWouldSee) {
  Caller all, team;
  team.pools = {false, {"shared"}, {"a-"}};
  EXPECT_TRUE(MayCreatePool(all, "").ok());
  EXPECT_TRUE(MayCreatePool(team, "a-1").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(MayCreatePool(team, "b-1")));
  EXPECT_TRUE(absl::IsPermissionDenied(MayCreatePool(team, "")));
}

}  // namespace
}  // namespace mgral::rpc
