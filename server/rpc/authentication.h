#pragma once

#include <grpcpp/support/string_ref.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/files.h"
#include "server/domain/pool_scope.h"
#include "server/rpc/api_keys.h"

namespace mgral::rpc {

// The caller of an RPC.
struct Caller {
  std::string key_name;  // empty where no keys are required
  std::string key_hash;  // SHA-256, 32 bytes; empty likewise
  domain::PoolScope pools;
};

// Identifies callers by API key and says which pools they may see. The keys come from a file
// (server/rpc/api_keys.h) that may change at any time. Thread-safe.
class Authentication {
 public:
  // With an empty path no key is required, and everyone sees every pool. Errors: INVALID_ARGUMENT
  // with the path and the line.
  static absl::StatusOr<std::unique_ptr<Authentication>> Open(const std::string& path);

  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;
  // Of a call's metadata `authorization: Bearer KEY`. Errors: UNAUTHENTICATED, "API_KEY_MISSING" or
  // "API_KEY_INVALID".
  absl::StatusOr<Caller> Authenticate(const Metadata& metadata) const;
  // Whether that caller may go on: for streams, which last longer than a key may. Errors:
  // UNAUTHENTICATED, "API_KEY_INVALID", when the key is gone or its pools have changed.
  absl::Status StillValid(const Caller& caller) const;

  // Reloads the file if it has changed; true if so. If it cannot be used, the keys stay as they
  // are. Errors: as Open's, once for every change.
  absl::StatusOr<bool> Reload();
  size_t size() const;

 private:
  using Keys = std::vector<ApiKey>;
  explicit Authentication(const std::string& path) : path_(path), file_({path}) {}
  std::shared_ptr<const Keys> keys() const;

  const std::string path_;
  std::mutex reloading_;  // guards file_
  base::FileWatch file_;
  mutable std::mutex mutex_;  // guards keys_
  std::shared_ptr<const Keys> keys_;
};

}  // namespace mgral::rpc
