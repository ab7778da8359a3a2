#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <string>

namespace mgral::test {

// A certificate and its key, in PEM.
struct Identity {
  std::string certificate, key;
};

// An authority that signs certificates for 127.0.0.1 and localhost.
class Authority {
 public:
  explicit Authority(const std::string& name);
  const std::string& certificate() const { return pem_; }
  // Good from an hour (or, if it is over already, a day) ago for `lifetime` from now on.
  Identity Issue(const std::string& name,
                 std::chrono::seconds lifetime = std::chrono::hours(24)) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
};

}  // namespace mgral::test
