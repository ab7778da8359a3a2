#include "server/storage/change_listener.h"

#include "server/storage/conninfo.h"
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

ChangeListener::ChangeListener(std::string conninfo) : conninfo_(CompleteConninfo(conninfo)) {
  thread_.Start([this](const base::StopSignal& stop) {
    do {
      try {
        Listen(stop);
      } catch (...) {
        // Waiters poll; the connection is tried again in a moment.
      }
    } while (!stop.WaitFor(absl::Milliseconds(500)));
  });
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

void ChangeListener::Listen(const base::StopSignal& stop) {
  Connection connection(conninfo_);
  Receiver jobs(connection.pq, "mgral_job", Topic::kJob, this);
  Receiver cycles(connection.pq, "mgral_cycle", Topic::kCycle, this);
  // What happened while nobody listened.
  Heard(Topic::kJob);
  Heard(Topic::kCycle);
  while (!stop.WaitForReadable(connection.pq.sock(), absl::Seconds(30))) {
    connection.pq.get_notifs();
    if (!connection.pq.is_open()) return;
  }
}

}  // namespace mgral::storage
