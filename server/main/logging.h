#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

#include "server/rpc/call_runner.h"

namespace mgral::server {

// Standard error, one object a line ("json") or readable ("text").
void SetUpLogging(const std::string& level, const std::string& format);

// {"time":...,"level":...,"message":...}; a message that is itself an object adds its fields.
std::unique_ptr<spdlog::formatter> MakeJsonFormatter();

// What one call came to: at debug when it went well, at info when the caller was wrong, at error
// when we were. `json`: as fields.
void LogCall(const rpc::CallRecord& call, bool json);

}  // namespace mgral::server
