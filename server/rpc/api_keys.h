#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/domain/pool_scope.h"

// The file of API keys: one line `NAME SHA256HEX [POOLS]` per key, # begins a comment. POOLS is a
// comma-separated list of pool ids or of prefixes followed by "*"; left out or "*", it means all
// pools. A name may be on several lines, so that a key can be replaced while the old one is still
// valid.
namespace mgral::rpc {

struct ApiKey {
  std::string name;
  std::string hash;  // SHA-256 of the key, 32 bytes
  domain::PoolScope pools;
};

// Errors: INVALID_ARGUMENT "line 3: ...", also for a file without a key, and for one whose last
// line has no newline: half a line could open more pools than the whole.
absl::StatusOr<std::vector<ApiKey>> ParseApiKeys(const std::string& text);

struct NewApiKey {
  std::string key;   // "mgral_" and 43 letters: 32 random bytes; kept nowhere
  std::string line;  // of the file, without its end
};
// Errors: INVALID_ARGUMENT when `name` or `pools` would be refused in the file; INTERNAL when the
// system gives no random bytes.
absl::StatusOr<NewApiKey> MakeApiKey(const std::string& name, const std::string& pools);

std::string Sha256(const std::string& bytes);  // 32 bytes

}  // namespace mgral::rpc
