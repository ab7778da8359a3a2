#include <gtest/gtest.h>

#include "every_header_of_core.h"

namespace mgral::core {
namespace {

// RandomStream was once an enum in one header and a class in another.
TEST(HeadersTest, OneNameIsOneThing) {
  RandomStream random(1);
  std::mt19937_64 engine = RandomAt(1, kLabeledOrder, 2, 3);
  EXPECT_NE(random.Uniform(), UniformFrom(engine));
}

}  // namespace
}  // namespace mgral::core
