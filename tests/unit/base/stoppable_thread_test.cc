#include "server/base/stoppable_thread.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"

namespace mgral::base {
namespace {

void SleepLong(const StopSignal& stop) { EXPECT_TRUE(stop.WaitFor(absl::Hours(24))); }

TEST(StoppableThreadTest, StartingTwiceRunsOneBody) {
  std::atomic<int> bodies{0};
  StoppableThread thread;
  for (int i = 0; i < 2; ++i) {
    thread.Start([&](const StopSignal& stop) {
      ++bodies;
      SleepLong(stop);
    });
  }
  thread.Stop();
  EXPECT_EQ(bodies, 1);
}

TEST(StoppableThreadTest, StoppingWithoutAStartDoesNothing) {
  StoppableThread thread;
  thread.RequestStop();
  thread.Stop();
  EXPECT_TRUE(thread.WaitFor(absl::ZeroDuration()));
  // The stop that hit nothing is forgotten.
  absl::Notification ran;
  thread.Start([&](const StopSignal& stop) {
    EXPECT_FALSE(stop.requested());
    ran.Notify();
  });
  ran.WaitForNotification();
}

TEST(StoppableThreadTest, StopWakesASleeperAndReturnsAfterItsBody) {
  absl::Notification asleep;
  std::atomic<bool> ended{false};
  StoppableThread thread;
  thread.Start([&](const StopSignal& stop) {
    asleep.Notify();
    SleepLong(stop);
    ended = true;
  });
  asleep.WaitForNotification();
  EXPECT_FALSE(thread.WaitFor(absl::ZeroDuration()));
  thread.Stop();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(thread.WaitFor(absl::ZeroDuration()));
}

TEST(StoppableThreadTest, EveryStopReturnsOnlyAfterTheBody) {
  std::atomic<bool> ended{false};
  StoppableThread thread;
  thread.Start([&](const StopSignal& stop) {
    SleepLong(stop);
    ended = true;
  });
  std::thread others[4];
  for (std::thread& other : others) {
    other = std::thread([&] {
      thread.Stop();
      EXPECT_TRUE(ended);
    });
  }
  for (std::thread& other : others) other.join();
}

TEST(StoppableThreadTest, RunsAgainAfterStop) {
  std::atomic<int> bodies{0};
  StoppableThread thread;
  for (int i = 0; i < 3; ++i) {
    absl::Notification asleep;
    thread.Start([&](const StopSignal& stop) {
      EXPECT_FALSE(stop.requested());
      ++bodies;
      asleep.Notify();
      SleepLong(stop);
    });
    asleep.WaitForNotification();
    thread.Stop();
  }
  EXPECT_EQ(bodies, 3);
}

TEST(StoppableThreadTest, TheDestructorStops) {
  std::atomic<bool> ended{false};
  {
    StoppableThread thread;
    thread.Start([&](const StopSignal& stop) {
      SleepLong(stop);
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST(StoppableThreadTest, WakesABodyThatWaitsForSomethingElse) {
  absl::Notification something_else;
  StoppableThread thread;
  thread.Start([&](const StopSignal&) { something_else.WaitForNotification(); },
               [&] {
                 if (!something_else.HasBeenNotified()) something_else.Notify();
               });
  thread.RequestStop();
  EXPECT_TRUE(thread.WaitFor(absl::InfiniteDuration()));
  thread.Stop();
}

TEST(StoppableThreadTest, WaitsForADescriptorToo) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> stopped{true};
  StoppableThread thread;
  thread.Start([&](const StopSignal& stop) {
    EXPECT_FALSE(stop.WaitForReadable(ends[0], absl::Microseconds(10)));
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    stopped = stop.WaitForReadable(ends[0], absl::Hours(24));
  });
  EXPECT_TRUE(thread.WaitFor(absl::Hours(1)));
  EXPECT_FALSE(stopped);
  thread.Stop();
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace mgral::base
