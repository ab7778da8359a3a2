// TLS, client certificates, certificates that change, and who can use them: health, `mgral`.
#include <cstdlib>
#include <sstream>

#include "client/cpp/command/commands.h"
#include "client/cpp/lib/client.h"
#include "client/cpp/lib/errors.h"
#include "tests/e2e/secure_server.h"

namespace mgral::test {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TlsTest : public SecureServerTest {
 protected:
  std::vector<std::string> TlsFlags(const Identity& identity) {
    return {"--tls_cert=" + folder_.Write("cert.pem", identity.certificate),
            "--tls_key=" + folder_.Write("key.pem", identity.key)};
  }
  void StartWithTls(const std::vector<std::string>& more = {}) {
    std::vector<std::string> flags = TlsFlags(authority_.Issue("server"));
    flags.insert(flags.end(), more.begin(), more.end());
    server_ = Start(flags);
  }
  void StartWithClientCertificates() {
    StartWithTls({"--tls_client_ca=" + folder_.Write("clients.pem", clients_.certificate())});
  }
  grpc::Status ListPools(const std::string& authority, const Identity& identity = {}) const {
    v1::ListPoolsResponse response;
    grpc::ClientContext context;
    return Api(Connect(server_->target(), authority, identity))
        .pools->ListPools(&context, v1::ListPoolsRequest(), &response);
  }
  bool Works(const Authority& authority) const { return ListPools(authority.certificate()).ok(); }
  bool Logged(const std::string& words) const {
    return server_->log().find(words) != std::string::npos;
  }

  const Authority authority_{"Test authority"}, clients_{"Test clients"}, rogue_{"Rogue authority"};
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(TlsTest, AnswersThoseWhoTrustItAndNobodyElse) {
  StartWithTls();
  EXPECT_TRUE(Works(authority_)) << ListPools(authority_.certificate()).error_message();
  const grpc::Status other = ListPools(rogue_.certificate());
  EXPECT_EQ(other.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(other.error_message(), HasSubstr("certificate verify failed"));
  EXPECT_EQ(ListPools("").error_code(), StatusCode::UNAVAILABLE);  // plain text
  EXPECT_TRUE(Works(authority_));
  EXPECT_EQ(server_->Terminate(), 0);
}

TEST_F(TlsTest, AsksForAClientCertificate) {
  StartWithClientCertificates();
  const std::string& authority = authority_.certificate();
  EXPECT_TRUE(ListPools(authority, clients_.Issue("client")).ok());
  EXPECT_EQ(ListPools(authority).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ListPools(authority, rogue_.Issue("rogue")).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ListPools(authority, authority_.Issue("server")).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ListPools(authority, clients_.Issue("late", std::chrono::hours(-1))).error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(ListPools("").error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(ListPools(authority, clients_.Issue("client 2")).ok());
}

TEST_F(TlsTest, TakesNewCertificatesAndNoBrokenOnes) {
  StartWithTls();
  const auto before = Connect(server_->target(), authority_.certificate());
  ASSERT_TRUE(before->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(9)));
  folder_.Write("cert.pem", "no certificate");
  WaitUntil("a file that is none is in the log",
            [&] { return Logged("cert.pem: contains no PEM certificate"); });
  EXPECT_TRUE(Works(authority_));

  const Authority next("Next authority");
  const Identity identity = next.Issue("server");
  folder_.Write("cert.pem", identity.certificate);  // its key is not there yet
  WaitUntil("a key that does not fit is in the log",
            [&] { return Logged("is not the key of the certificate in"); });
  EXPECT_TRUE(Works(authority_));
  EXPECT_FALSE(Works(next));

  folder_.Write("key.pem", identity.key);
  WaitUntil("the new certificate is shown", [&] { return Works(next); });
  EXPECT_FALSE(Works(authority_));
  v1::ListPoolsResponse response;
  grpc::ClientContext context;  // an old connection goes on
  EXPECT_TRUE(Api(before).pools->ListPools(&context, v1::ListPoolsRequest(), &response).ok());
}

TEST_F(TlsTest, TakesANewAuthorityOfClients) {
  StartWithClientCertificates();
  const Identity old = clients_.Issue("old"), renewed = rogue_.Issue("renewed");
  ASSERT_TRUE(ListPools(authority_.certificate(), old).ok());
  folder_.Write("clients.pem", rogue_.certificate());
  WaitUntil("the new authority counts",
            [&] { return ListPools(authority_.certificate(), renewed).ok(); });
  EXPECT_FALSE(ListPools(authority_.certificate(), old).ok());
}

TEST_F(TlsTest, HealthcheckUsesTheServersOwnOptions) {
  StartWithTls({"--tls_client_ca=" + folder_.Write("clients.pem", authority_.certificate())});
  const std::map<std::string, std::string> environment = {
      {"MGRAL_LISTEN", server_->target()},
      {"MGRAL_TLS_CERT", folder_.Path("cert.pem")},
      {"MGRAL_TLS_KEY", folder_.Path("key.pem")}};
  const ProgramResult good = RunServerProgram({"healthcheck"}, environment);
  EXPECT_EQ(good.status, 0) << good.output;
  const std::string target = "--target=" + server_->target();
  EXPECT_EQ(RunServerProgram({"healthcheck", target}).status, 1);           // plain text
  EXPECT_EQ(RunServerProgram({"healthcheck", target, "--tls"}).status, 1);  // no certificate
  // A server whose own certificate is not one of a client.
  const Identity probe = clients_.Issue("probe");
  folder_.Write("clients.pem", clients_.certificate());
  folder_.Write("probe.pem", probe.certificate);
  folder_.Write("probe.key", probe.key);
  WaitUntil("the probe's certificate is taken", [&] {
    const std::vector<std::string> words = {"healthcheck",
                                            "--tls_cert=" + folder_.Path("probe.pem"),
                                            "--tls_key=" + folder_.Path("probe.key")};
    return RunServerProgram(words, environment).status == 0;
  });
  EXPECT_EQ(RunServerProgram({"healthcheck"}, environment).status, 1);
}

TEST_F(TlsTest, HealthcheckNeedsNoCertificateWithoutClientCertificates) {
  StartWithTls();
  const std::string target = "--target=" + server_->target();
  EXPECT_EQ(RunServerProgram({"healthcheck", target, "--tls"}).status, 0);
}

TEST_F(TlsTest, RefusesToStartWithFilesThatDontFit) {
  const Identity server = authority_.Issue("server"), other = authority_.Issue("other");
  const std::string cert = folder_.Write("c.pem", server.certificate);
  const std::string key = folder_.Write("k.pem", server.key);
  const std::string text = folder_.Write("text", "no PEM");
  const auto refuse = [&](const std::vector<std::string>& flags, const std::string& words) {
    const ProgramResult result = FailToStart(flags);
    EXPECT_EQ(result.status, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr(words));
  };
  refuse({"--tls_cert=" + cert}, "tls_key is empty");
  refuse({"--tls_key=" + key}, "tls_cert is empty");
  refuse({"--tls_client_ca=" + cert}, "tls_client_ca needs TLS");
  refuse({"--tls_cert=" + folder_.Path("nowhere"), "--tls_key=" + key}, "nowhere: No such file");
  refuse({"--tls_cert=" + text, "--tls_key=" + key}, "tls_cert " + text);
  refuse({"--tls_cert=" + cert, "--tls_key=" + text}, "tls_key " + text);
  refuse({"--tls_cert=" + cert, "--tls_key=" + folder_.Write("o.pem", other.key)},
         "is not the key of the certificate in " + cert);
  refuse({"--tls_cert=" + cert, "--tls_key=" + key, "--tls_client_ca=" + text},
         "tls_client_ca " + text);
}

TEST_F(TlsTest, WarnsOfAnOpenDoor) {
  const ProgramResult open = FailToStart({"--listen=0.0.0.0:0"});
  EXPECT_THAT(open.output, HasSubstr("WITHOUT TLS"));
  EXPECT_THAT(open.output, HasSubstr("WITHOUT API KEYS"));
  const ProgramResult here = FailToStart({"--listen=127.0.0.1:0"});
  EXPECT_THAT(here.output, ::testing::Not(HasSubstr("WITHOUT")));
}

TEST_F(TlsTest, TheClientSendsItsKeyWithEveryKindOfCall) {
  const TestKey key = MakeKey("client");
  StartWithClientCertificates();
  server_.reset();
  StartWithTls({"--tls_client_ca=" + folder_.Path("clients.pem"),
                "--api_keys=" + folder_.Write("keys", key.line)});
  const Identity identity = clients_.Issue("client");
  client::ClientOptions options;
  options.target = server_->target();
  options.tls = {authority_.certificate(), identity.certificate, identity.key};
  client::Client unknown(options);
  EXPECT_EQ(client::Reason(unknown.GetPool("pools/nobody").status()), "API_KEY_MISSING");
  options.api_key = key.key;
  client::Client client(options);
  const auto pool = client.GetPool(MakePool());
  ASSERT_TRUE(pool.ok()) << pool.status();
  const auto registered = client.RegisterImages(
      pool->name(),
      client::FromVector(std::vector<v1::NewImage>{PathImage("one", ImageFolder::Name(0))}));
  EXPECT_TRUE(registered.ok()) << registered.status();
  v1::ExportLabelsRequest request;
  request.set_parent(pool->name());
  EXPECT_TRUE(client.ExportLabels(request, [](auto) { return absl::OkStatus(); }).ok());
  // A cycle that does not exist: but who asks is known.
  EXPECT_TRUE(absl::IsNotFound(client.WatchCycle(pool->name() + "/cycles/1", nullptr).status()));
}

TEST_F(TlsTest, TheCommandTakesItsKeyFromAFileOrTheEnvironment) {
  const TestKey key = MakeKey("command", "t-*");
  StartWithTls({"--api_keys=" + folder_.Write("keys", key.line)});
  const std::string ca = "--tls-ca=" + folder_.Write("ca.pem", authority_.certificate());
  const std::string file = "--api-key-file=" + folder_.Write("api.key", key.key + "\n");
  const auto run = [&](std::vector<const char*> words, std::string* error) {
    const std::string server = "--server=" + server_->target();
    words.insert(words.begin(), {"mgral", server.c_str(), ca.c_str()});
    std::ostringstream out, complaint;
    const int status =
        client::RunMgral(static_cast<int>(words.size()), words.data(), out, complaint);
    *error = complaint.str();
    return status;
  };
  std::string error;
  EXPECT_EQ(run({"pool", "list"}, &error), client::kExitFailed);
  EXPECT_THAT(error, HasSubstr("--api-key-file"));
  EXPECT_EQ(run({"pool", "list", file.c_str()}, &error), client::kExitOk) << error;
  setenv("MGRAL_API_KEY", key.key.c_str(), 1);
  EXPECT_EQ(run({"pool", "list"}, &error), client::kExitOk) << error;
  unsetenv("MGRAL_API_KEY");
  EXPECT_EQ(run({"pool", "list", "--api-key-file=/nowhere"}, &error), client::kExitUsage);
  EXPECT_THAT(error, HasSubstr("/nowhere: cannot be read as an API key"));
}

TEST_F(TlsTest, TheCommandSendsNoKeyOverPlainText) {
  const std::string file = "--api-key-file=" + folder_.Write("api.key", "mgral_secret\n");
  const std::vector<const char*> words = {"mgral", "--server=192.0.2.1:1", file.c_str(), "pool",
                                          "list"};
  std::ostringstream out, error;
  EXPECT_EQ(client::RunMgral(static_cast<int>(words.size()), words.data(), out, error),
            client::kExitUsage);
  EXPECT_THAT(error.str(), HasSubstr("over plain text"));
  EXPECT_THAT(error.str(), HasSubstr("--insecure-key"));
}

}  // namespace
}  // namespace mgral::test
