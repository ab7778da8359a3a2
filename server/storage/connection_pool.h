#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mgral::storage {

struct Connection;  // server/storage/transaction.h

// At most `size` connections to one database, opened when needed. Thread-safe. A connection that
// broke is replaced by the next caller.
class ConnectionPool {
 public:
  struct Options {
    std::string conninfo;  // libpq's: "host=... dbname=..." or "postgresql://..."
    int size = 16;
    absl::Duration max_wait = absl::Seconds(10);  // for a free connection
  };
  explicit ConnectionPool(Options options);
  ~ConnectionPool();  // every handle must have been given back
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // A connection that one thread may use until it goes out of scope.
  class Handle {
   public:
    Handle(ConnectionPool* pool, std::unique_ptr<Connection> connection);
    ~Handle();
    Handle(Handle&& other) noexcept;
    Handle& operator=(Handle&&) = delete;
    Connection& operator*() const { return *connection_; }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };
  // Errors: RESOURCE_EXHAUSTED when none became free in max_wait; UNAVAILABLE when the database
  // cannot be reached.
  absl::StatusOr<Handle> Acquire();
  // Answers when the database does; for health checks.
  absl::Status Ping();

  const std::string& conninfo() const { return conninfo_; }
  int in_use() const;
  int size() const { return options_.size; }

 private:
  void Return(std::unique_ptr<Connection> connection);

  const Options options_;
  const std::string conninfo_;
  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int in_use_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mgral::storage
