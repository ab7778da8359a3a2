#pragma once

#include <string>

#include "absl/status/status.h"

// The option `database`: libpq's "host=... dbname=..." or "postgresql://...". It may hold the
// password, and what libpq says of an address that it cannot read quotes it; nothing here does.
namespace mgral::storage {

// INVALID_ARGUMENT for what libpq cannot read, and for what it reads as something that no address
// can be: in a URI whose password holds an unescaped "@" or "/", a part of it as host or port.
absl::Status CheckConninfo(const std::string& conninfo);

// `conninfo` as keywords, with connect timeout and keepalives where it has none of its own, so that
// a dead network is noticed. Returned unchanged when libpq cannot read it.
std::string CompleteConninfo(const std::string& conninfo);

// What may be shown of libpq's `message` that connecting to `conninfo`, which CheckConninfo takes,
// has failed.
std::string ShownConnectError(const std::string& conninfo, const std::string& message);

}  // namespace mgral::storage
