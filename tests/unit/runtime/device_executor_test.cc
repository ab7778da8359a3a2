#include "server/runtime/device_executor.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "absl/status/statusor.h"

namespace mgral::runtime {
namespace {

absl::StatusOr<int> ThreadsOf(DeviceExecutor& executor) {
  return executor.Run([]() -> absl::StatusOr<int> { return at::get_num_threads(); });
}

// Predict's thread asks for one; that must not slow training down.
TEST(DeviceExecutorTest, KeepsItsThreadsWhenAnotherAsksForFewer) {
  DeviceExecutor many(2);
  DeviceExecutor one(1);
  ASSERT_EQ(*ThreadsOf(one), 1);
  EXPECT_EQ(*ThreadsOf(many), 2);
  EXPECT_EQ(*ThreadsOf(one), 1);
}

}  // namespace
}  // namespace mgral::runtime
