#include "server/storage/connection_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/storage/conninfo.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

ConnectionPool::ConnectionPool(Options options)
    : options_(std::move(options)), conninfo_(CompleteConninfo(options_.conninfo)) {}

ConnectionPool::~ConnectionPool() = default;

ConnectionPool::Handle::Handle(ConnectionPool* pool, std::unique_ptr<Connection> connection)
    : pool_(pool), connection_(std::move(connection)) {}

ConnectionPool::Handle::Handle(Handle&& other) noexcept
    : pool_(other.pool_), connection_(std::move(other.connection_)) {}

ConnectionPool::Handle::~Handle() {
  if (connection_ != nullptr) pool_->Return(std::move(connection_));
}

absl::StatusOr<ConnectionPool::Handle> ConnectionPool::Acquire() {
  std::unique_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return in_use_ < options_.size; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), options_.max_wait)) {
      return base::Overloaded(absl::StrCat("all ", options_.size, " database connections are busy"),
                              absl::Seconds(1));
    }
    ++in_use_;
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr) {
    try {
      connection = std::make_unique<Connection>(conninfo_);
    } catch (...) {
      const absl::Status status = CurrentSqlFailure().status;
      Return(nullptr);
      return status;
    }
  }
  return Handle(this, std::move(connection));
}

void ConnectionPool::Return(std::unique_ptr<Connection> connection) {
  std::vector<std::unique_ptr<Connection>> closed;  // outside of the lock
  absl::MutexLock lock(&mutex_);
  --in_use_;
  if (connection == nullptr) return;
  if (connection->broken || !connection->pq.is_open()) {
    // The others were most likely lost with it.
    closed.swap(idle_);
    closed.push_back(std::move(connection));
  } else {
    idle_.push_back(std::move(connection));
  }
}

absl::Status ConnectionPool::Ping() {
  return RunTransaction(*this, Access::kRead, [](pqxx::work& tx) {
    tx.exec("SELECT 1");
    return absl::OkStatus();
  });
}

int ConnectionPool::in_use() const {
  absl::MutexLock lock(&mutex_);
  return in_use_;
}

}  // namespace mgral::storage
