#pragma once

#include <string>
#include <vector>

// What calls have in common: idempotency and pages.
namespace mgral::domain {

// Identifies a call that may be repeated. Empty request_id: not idempotent. `fingerprint`: SHA-256
// of the request, so that one request_id cannot stand for two different calls.
struct RequestKey {
  std::string method;
  std::string request_id;
  std::string fingerprint;
};

// One page of a listing; `next_page_token` empty on the last.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;
};

struct PageRequest {
  int size = 50;
  std::string token;  // opaque; a foreign one gives INVALID_ARGUMENT on "page_token"
};

}  // namespace mgral::domain
