#include "client/cpp/lib/credentials.h"

#include "gtest/gtest.h"

namespace mgral::client {
namespace {

ClientOptions To(const std::string& target, const std::string& key = "mgral_key") {
  ClientOptions options;
  options.target = target;
  options.api_key = key;
  return options;
}

TEST(CredentialsTest, KeysGoOverPlainTextToThisMachineOnly) {
  for (const char* here :
       {"127.0.0.1:50051", "127.1.2.3:1", "localhost:50051", "[::1]:50051", "unix:/run/mgral",
        "dns:///localhost:1", "ipv4:127.0.0.1:1", "localhost"}) {
    EXPECT_TRUE(CheckApiKey(To(here)).ok()) << here;
  }
  for (const char* elsewhere :
       {"gpu:50051", "10.0.0.1:50051", "[fd00::1]:50051", "0.0.0.0:1", "127.example.com:1",
        "localhost.example.com:1", "dns:///gpu:1", "1127.0.0.1:1", "dns://8.8.8.8/localhost:1",
        "ipv6:[::1]:1,[2001:db8::1]:2", "ipv4:127.0.0.1:1,10.0.0.1:1", ""}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckApiKey(To(elsewhere)))) << elsewhere;
    ClientOptions options = To(elsewhere);
    options.api_key_over_plain_text = true;
    EXPECT_TRUE(CheckApiKey(options).ok()) << elsewhere;
    options = To(elsewhere);
    options.tls = TlsOptions();
    EXPECT_TRUE(CheckApiKey(options).ok()) << elsewhere;
    EXPECT_TRUE(CheckApiKey(To(elsewhere, "")).ok()) << elsewhere;
  }
}

TEST(CredentialsTest, RefusesKeysThatMetadataCannotCarry) {
  for (const std::string& key : {std::string("a b"), std::string("a\nb"), std::string("\xc3\xa9"),
                                 std::string("a\0b", 3), std::string(501, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckApiKey(To("127.0.0.1:1", key))));
    grpc::ClientContext context;
    AddApiKey(To("127.0.0.1:1", key), &context);  // leaves it out
  }
}

}  // namespace
}  // namespace mgral::client
