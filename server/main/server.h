#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/main/options.h"

namespace mgral::server {

// All parts of mgral, wired together as the options say.
class Server {
 public:
  // Opens the folders, brings the database to its schema (with `migrate`), listens, and writes the
  // port file; health says SERVING when it returns. Waits for the database for at most
  // database_timeout. Errors: INVALID_ARGUMENT for options that cannot be met (also for an address
  // that cannot be listened on), UNAVAILABLE for the database, FAILED_PRECONDITION for its schema.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options);
  ~Server();

  // Health says NOT_SERVING, calls in flight finish or are canceled after drain_timeout, the
  // running job is given back (or finished). False if the job did not come to a stop in that time:
  // its lease will run out. It can take longer where something else says nothing, e.g. the
  // database.
  bool Drain();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace mgral::server
