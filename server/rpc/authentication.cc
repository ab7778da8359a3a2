#include "server/rpc/authentication.h"

#include <openssl/crypto.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"

namespace mgral::rpc {
namespace {

constexpr char kHeader[] = "authorization";
constexpr absl::string_view kScheme = "Bearer ";
constexpr size_t kMaxHeaderBytes = 512;

// Compares all bytes of every key, whichever matches, so that the time taken reveals nothing.
const ApiKey* Find(const std::vector<ApiKey>& keys, const std::string& hash) {
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys) {
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0) found = &key;
  }
  return found;
}

absl::Status Invalid(const std::string& what) {
  return base::Unauthenticated(
      "API_KEY_INVALID", absl::StrCat(what, ": ask the operator of this server for a new one"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Authentication>> Authentication::Open(const std::string& path) {
  std::unique_ptr<Authentication> authentication(new Authentication(path));
  MGRAL_RETURN_IF_ERROR(authentication->Reload().status());
  return authentication;
}

absl::StatusOr<bool> Authentication::Reload() {
  if (path_.empty()) return false;
  std::lock_guard<std::mutex> reloading(reloading_);
  const auto contents = file_.ReadChanged();
  if (!contents) return false;
  if (!contents->ok()) return contents->status();
  auto parsed = ParseApiKeys((*contents)->front());
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", parsed.status().message()));
  }
  auto keys = std::make_shared<const Keys>(*std::move(parsed));
  std::lock_guard<std::mutex> lock(mutex_);
  keys_ = std::move(keys);
  return true;
}

std::shared_ptr<const Authentication::Keys> Authentication::keys() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return keys_;
}

size_t Authentication::size() const { return path_.empty() ? 0 : keys()->size(); }

absl::StatusOr<Caller> Authentication::Authenticate(const Metadata& metadata) const {
  if (path_.empty()) return Caller();
  const auto [first, last] = metadata.equal_range(kHeader);
  if (first == last) {
    return base::Unauthenticated(
        "API_KEY_MISSING",
        "this server asks for an API key: send it as metadata \"authorization: Bearer KEY\"");
  }
  const absl::string_view header(first->second.data(), first->second.size());
  const bool well_formed = std::next(first) == last && header.size() <= kMaxHeaderBytes &&
                           absl::StartsWithIgnoreCase(header, kScheme) &&
                           header.size() > kScheme.size();
  if (!well_formed) {
    return base::Unauthenticated("API_KEY_INVALID",
                                 "the metadata \"authorization\" must be \"Bearer KEY\", once");
  }
  const auto keys = this->keys();
  const std::string hash = Sha256(std::string(header.substr(kScheme.size())));
  const ApiKey* key = Find(*keys, hash);
  if (key == nullptr) return Invalid("this server does not know the API key");
  return Caller{key->name, key->hash, key->pools};
}

absl::Status Authentication::StillValid(const Caller& caller) const {
  if (path_.empty()) return absl::OkStatus();
  const auto keys = this->keys();
  const ApiKey* key = Find(*keys, caller.key_hash);
  if (key == nullptr) return Invalid("the API key was revoked");
  if (!(key->pools == caller.pools)) return Invalid("the pools of the API key were changed");
  return absl::OkStatus();
}

}  // namespace mgral::rpc
