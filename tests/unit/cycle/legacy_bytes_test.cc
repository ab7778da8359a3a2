#include "server/cycle/legacy_bytes.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/cycle/byte_writer.h"

namespace mgral::cycle {
namespace {

TEST(LegacyBytesTest, ReadsWhatWasWritten) {
  test::ByteWriter writer;
  writer.Number<int32_t>(-7);
  writer.Text("a\0b");
  writer.Number<float>(1.5f);
  const std::string bytes = writer.Take();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Number<int32_t>(), -7);
  EXPECT_EQ(reader.Text(), "a");
  EXPECT_EQ(reader.Number<float>(), 1.5f);
  EXPECT_TRUE(reader.Done());
}

TEST(LegacyBytesTest, NeverReadsBeyondTheEnd) {
  test::ByteWriter writer;
  writer.Text("some text");
  const std::string bytes = writer.Take();
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader reader(absl::string_view(bytes).substr(0, cut));
    EXPECT_EQ(reader.Text(), "") << cut;
    EXPECT_FALSE(reader.ok()) << cut;
  }
}

TEST(LegacyBytesTest, AHugeLengthAllocatesNothing) {
  test::ByteWriter writer;
  writer.Number<uint64_t>(std::numeric_limits<uint64_t>::max());
  const std::string bytes = writer.Take();
  ByteReader text(bytes), count(bytes);
  EXPECT_EQ(text.Text(), "");
  EXPECT_FALSE(text.ok());
  EXPECT_EQ(count.Count(4), 0u);
  EXPECT_FALSE(count.ok());
}

TEST(LegacyBytesTest, LeftoversAreNotDone) {
  ByteReader reader("x");
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.Done());
}

}  // namespace
}  // namespace mgral::cycle
