#include "server/rpc/api_keys.h"

#include <openssl/sha.h>
#include <sys/random.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"

namespace mgral::rpc {
namespace {

constexpr size_t kMaxKeyNameBytes = 64;
constexpr size_t kKeyBytes = 32;
constexpr char kPrefix[] = "mgral_";  // so that secret scanners can find it

// Empty when it is fine.
std::string NameProblem(absl::string_view name) {
  bool good = !name.empty() && name.size() <= kMaxKeyNameBytes;
  for (const char c : name) {
    good = good && (absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-');
  }
  return good ? "" : "the name of a key must be 1 to 64 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"";
}

absl::Status WrongPools() {
  return absl::InvalidArgumentError(
      "the pools must be ids (a-z, 0-9 and \"-\") or prefixes of ids followed by \"*\", separated "
      "by commas without spaces");
}

absl::StatusOr<domain::PoolScope> ParsePools(absl::string_view pools) {
  domain::PoolScope scope;
  scope.all = false;
  for (absl::string_view one : absl::StrSplit(pools, ',')) {
    if (one == "*") {
      scope.all = true;
      continue;
    }
    const bool prefix = absl::ConsumeSuffix(&one, "*");
    bool good = !one.empty();
    for (const char c : one) {
      good = good && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
    }
    if (!good) return WrongPools();
    (prefix ? scope.prefixes : scope.pool_ids).emplace_back(one);
  }
  return scope;
}

absl::StatusOr<ApiKey> ParseLine(absl::string_view line) {
  const std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() < 2 || words.size() > 3) {
    return absl::InvalidArgumentError("its form is NAME SHA256HEX [POOLS]");
  }
  ApiKey key;
  key.name = words[0];
  const std::string problem = NameProblem(key.name);
  if (!problem.empty()) return absl::InvalidArgumentError(problem);
  bool hex = words[1].size() == 2 * SHA256_DIGEST_LENGTH;
  for (const char c : words[1]) hex = hex && absl::ascii_isxdigit(c);
  // It may be a key that was put there by mistake, so it is not shown.
  if (!hex) return absl::InvalidArgumentError("the second word must be a SHA-256, 64 hex digits");
  key.hash = absl::HexStringToBytes(words[1]);
  if (words.size() == 3) {
    MGRAL_ASSIGN_OR_RETURN(key.pools, ParsePools(words[2]));
  }
  return key;
}

}  // namespace

std::string Sha256(const std::string& bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(&digest[0]));
  return digest;
}

absl::StatusOr<std::vector<ApiKey>> ParseApiKeys(const std::string& text) {
  std::vector<ApiKey> keys;
  std::set<std::string> hashes;
  const auto wrong = [](size_t number, absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", why));
  };
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    const absl::string_view line =
        absl::StripAsciiWhitespace(lines[i].substr(0, lines[i].find('#')));
    if (line.empty()) continue;
    auto key = ParseLine(line);
    if (!key.ok()) return wrong(i + 1, key.status().message());
    if (i + 1 == lines.size()) {
      return wrong(i + 1, "has no newline at its end: was the file written completely?");
    }
    if (!hashes.insert(key->hash).second) return wrong(i + 1, "repeats the key of an earlier line");
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) {
    return absl::InvalidArgumentError("contains no key: make one with `mgral-server key NAME`");
  }
  return keys;
}

absl::StatusOr<NewApiKey> MakeApiKey(const std::string& name, const std::string& pools) {
  const std::string problem = NameProblem(name);
  if (!problem.empty()) return absl::InvalidArgumentError(problem);
  MGRAL_ASSIGN_OR_RETURN(const auto scope, ParsePools(pools.empty() ? "*" : pools));
  std::string random(kKeyBytes, '\0');
  if (getrandom(&random[0], random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return absl::InternalError("the system provides no random bytes");
  }
  NewApiKey made;
  made.key = kPrefix + absl::WebSafeBase64Escape(random);
  made.line = absl::StrCat(name, " ", absl::BytesToHexString(Sha256(made.key)),
                           pools.empty() ? "" : " ", pools);
  return made;
}

}  // namespace mgral::rpc
