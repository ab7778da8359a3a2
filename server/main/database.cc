#include "server/main/database.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/files.h"
#include "server/main/signals.h"
#include "server/storage/migrations.h"

namespace mgral::server {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestPause = absl::Seconds(5);

absl::Status Once(const Options& options, bool migrate) {
  if (!migrate) return storage::CheckSchema(options.database);
  const auto migrated = storage::Migrate(options.database);
  if (!migrated.ok()) return migrated.status();
  if (migrated->from_version != migrated->to_version) {
    spdlog::info("database migrated from version {} to {}", migrated->from_version,
                 migrated->to_version);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status UsePasswordFile(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::string option = "option database_password_file: ";
  const auto content = base::ReadSmallFile(path);
  if (!content.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(option, content.status().message()));
  }
  std::string password = content->substr(0, content->find('\n'));
  if (!password.empty() && password.back() == '\r') password.pop_back();
  if (password.empty() || password.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, path, " has no password on its first line"));
  }
  setenv("PGPASSWORD", password.c_str(), 1);
  return absl::OkStatus();
}

absl::Status PrepareDatabase(const Options& options, bool migrate) {
  const absl::Time deadline = absl::Now() + options.database_timeout;
  absl::Duration pause = kFirstPause;
  while (true) {
    const absl::Status status = Once(options, migrate);
    if (status.ok() || !absl::IsUnavailable(status)) return status;
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(
          absl::StrCat("the database does not answer (tried for ",
                       absl::FormatDuration(options.database_timeout), "): ", status.message(),
                       " - check the option database and that PostgreSQL is running"));
    }
    spdlog::warn("the database does not answer yet: {}", std::string(status.message()));
    if (WaitForStopSignal(std::min(pause, deadline - absl::Now())) != 0) {
      return absl::CancelledError("stopped while waiting for the database");
    }
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace mgral::server
