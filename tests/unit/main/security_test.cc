#include "server/main/security.h"

#include <gtest/gtest.h>

namespace mgral::server {
namespace {

TEST(SecurityTest, KnowsAddressesOfThisMachine) {
  for (const char* here : {"127.0.0.1:50051", "127.9.9.9:0", "localhost:1", "[::1]:0",
                           "unix:/run/mgral", "unix-abstract:mgral", "dns:///localhost:1"}) {
    EXPECT_TRUE(IsLoopback(here)) << here;
  }
  for (const char* open : {"0.0.0.0:50051", "[::]:50051", "10.0.0.1:1", "gpu:1", "ipv4:0.0.0.0:1",
                           ":50051", "[fd00::1]:1", "localhost.example.com:1", ""}) {
    EXPECT_FALSE(IsLoopback(open)) << open;
  }
}

}  // namespace
}  // namespace mgral::server
