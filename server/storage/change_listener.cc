#include "server/storage/change_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "server/storage/connection_pool.h"
#include "server/storage/transaction.h"

namespace mgral::storage {

class ChangeListener::Receiver : public pqxx::notification_receiver {
 public:
  Receiver(pqxx::connection_base& connection, const std::string& channel, Topic topic,
           ChangeListener* listener)
      : notification_receiver(connection, channel), topic_(topic), listener_(listener) {}
  void operator()(const std::string&, int) override { listener_->Heard(topic_); }

 private:
  const Topic topic_;
  ChangeListener* const listener_;
};

ChangeListener::ChangeListener(std::string conninfo)
    : conninfo_(CompleteConninfo(conninfo)), stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { Run(); });
}

ChangeListener::~ChangeListener() {
  const uint64_t one = 1;
  if (write(stop_fd_, &one, sizeof(one)) != sizeof(one)) std::terminate();
  thread_.join();
  close(stop_fd_);
}

uint64_t ChangeListener::Generation(Topic topic) const {
  absl::MutexLock lock(&mutex_);
  return generations_[static_cast<int>(topic)];
}

bool ChangeListener::Wait(Topic topic, uint64_t seen, absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto changed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return generations_[static_cast<int>(topic)] != seen;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&changed), timeout);
}

void ChangeListener::Heard(Topic topic) {
  absl::MutexLock lock(&mutex_);
  ++generations_[static_cast<int>(topic)];
}

// True when it shall stop; false when there is something to read, or after `timeout`.
bool ChangeListener::WaitToStop(int connection_fd, absl::Duration timeout) const {
  pollfd fds[] = {{stop_fd_, POLLIN, 0}, {connection_fd, POLLIN, 0}};
  poll(fds, connection_fd < 0 ? 1 : 2, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  return fds[0].revents != 0;
}

void ChangeListener::Listen() {
  Connection connection(conninfo_);
  Receiver jobs(connection.pq, "mgral_job", Topic::kJob, this);
  Receiver cycles(connection.pq, "mgral_cycle", Topic::kCycle, this);
  // What happened while nobody listened.
  Heard(Topic::kJob);
  Heard(Topic::kCycle);
  while (!WaitToStop(connection.pq.sock(), absl::Seconds(30))) {
    connection.pq.get_notifs();
    if (!connection.pq.is_open()) return;
  }
}

void ChangeListener::Run() {
  do {
    try {
      Listen();
    } catch (...) {
      // Waiters poll; the connection is tried again in a moment.
    }
  } while (!WaitToStop(-1, absl::Milliseconds(500)));
}

}  // namespace mgral::storage
