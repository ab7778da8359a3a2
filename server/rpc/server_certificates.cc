#include "server/rpc/server_certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace mgral::rpc {
namespace {

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using CertificatePtr = std::unique_ptr<X509, Freed<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;

BioPtr Reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// OpenSSL's own would ask the terminal.
int NoPassPhrase(char*, int, int, void*) { return 0; }

CertificatePtr FirstCertificate(const std::string& pem) {
  CertificatePtr found(PEM_read_bio_X509(Reader(pem).get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  return found;
}

absl::Status Wrong(const std::string& option, const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(option, " ", path, ": ", why));
}

absl::Time NotAfter(const X509& certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1) return absl::InfiniteFuture();
  return absl::FromTM(time, absl::UTCTimeZone());
}

// When the certificate ends; an error if the three don't fit together.
absl::StatusOr<absl::Time> Check(const CertificateFiles& files, const std::string& certificate_pem,
                                 const std::string& key_pem, const std::string& client_ca_pem) {
  const CertificatePtr certificate = FirstCertificate(certificate_pem);
  if (!certificate) return Wrong("tls_cert", files.certificate, "contains no PEM certificate");
  const KeyPtr key(PEM_read_bio_PrivateKey(Reader(key_pem).get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  if (!key) {
    return Wrong("tls_key", files.key, "contains no PEM private key, or one with a passphrase");
  }
  const bool match = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return Wrong("tls_key", files.key,
                 absl::StrCat("is not the key of the certificate in ", files.certificate));
  }
  if (!files.client_ca.empty() && !FirstCertificate(client_ca_pem)) {
    return Wrong("tls_client_ca", files.client_ca, "contains no PEM certificate");
  }
  return NotAfter(*certificate);
}

std::vector<std::string> Paths(const CertificateFiles& files) {
  std::vector<std::string> paths = {files.certificate, files.key};
  if (!files.client_ca.empty()) paths.push_back(files.client_ca);
  return paths;
}

// gRPC's C++ library lets nobody give it certificates that change and are checked before they count
// (its FileWatcherCertificateProvider takes a broken file, and no connection succeeds any more),
// its C library does.
class Credentials : public grpc::ServerCredentials {
 public:
  explicit Credentials(grpc_server_credentials* credentials) : credentials_(credentials) {}
  ~Credentials() override { grpc_server_credentials_release(credentials_); }
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }
  grpc_server_credentials* const credentials_;
};

}  // namespace

ServerCertificates::ServerCertificates(const CertificateFiles& files)
    : files_(files), watch_(Paths(files)) {}

absl::StatusOr<std::unique_ptr<ServerCertificates>> ServerCertificates::Open(
    const CertificateFiles& files) {
  std::unique_ptr<ServerCertificates> certificates(new ServerCertificates(files));
  MGRAL_RETURN_IF_ERROR(certificates->Reload().status());
  return certificates;
}

absl::StatusOr<bool> ServerCertificates::Reload() {
  std::lock_guard<std::mutex> reloading(reloading_);
  const auto contents = watch_.ReadChanged();
  if (!contents) return false;
  if (!contents->ok()) return contents->status();
  const base::FileWatch::Contents& pem = **contents;
  const std::string client_ca = pem.size() > 2 ? pem[2] : "";
  MGRAL_ASSIGN_OR_RETURN(const auto not_after, Check(files_, pem[0], pem[1], client_ca));
  std::lock_guard<std::mutex> lock(mutex_);
  certificate_ = pem[0];
  key_ = pem[1];
  client_ca_ = client_ca;
  not_after_ = not_after;
  fetched_ = false;
  return true;
}

absl::Time ServerCertificates::not_after() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return not_after_;
}

grpc_ssl_certificate_config_reload_status ServerCertificates::Fetch(
    void* self, grpc_ssl_server_certificate_config** config) {
  auto* certificates = static_cast<ServerCertificates*>(self);
  std::lock_guard<std::mutex> lock(certificates->mutex_);
  if (certificates->fetched_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair = {certificates->key_.c_str(),
                                           certificates->certificate_.c_str()};
  // gRPC wants an authority also where no client is asked for a certificate; then it has no use.
  const std::string& authority =
      certificates->client_ca_.empty() ? certificates->certificate_ : certificates->client_ca_;
  *config = grpc_ssl_server_certificate_config_create(authority.c_str(), &pair, 1);
  certificates->fetched_ = true;
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

std::shared_ptr<grpc::ServerCredentials> ServerCertificates::NewCredentials() {
  const auto from_clients = files_.client_ca.empty()
                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  return std::make_shared<Credentials>(grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(from_clients, Fetch, this)));
}

}  // namespace mgral::rpc
