#include "server/main/logging.h"

#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>

#include <nlohmann/json.hpp>

namespace mgral::server {
namespace {

nlohmann::json Format(const std::string& message) {
  spdlog::memory_buf_t buffer;
  MakeJsonFormatter()->format(spdlog::details::log_msg("mgral", spdlog::level::warn, message),
                              buffer);
  const std::string line(buffer.data(), buffer.size());
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1);  // one line, whatever the message
  return nlohmann::json::parse(line);
}

TEST(LoggingTest, EveryMessageIsAnObject) {
  for (const std::string& text :
       {std::string("plain"), std::string("a \"quote\"\nand a line"), std::string("\xff\xfe"),
        std::string("{not json"), std::string()}) {
    const auto fields = Format(text);
    EXPECT_EQ(fields["level"], "warning");
    EXPECT_TRUE(fields.contains("time"));
    EXPECT_TRUE(fields.contains("message"));
  }
  EXPECT_EQ(Format("a \"quote\"")["message"], "a \"quote\"");
}

TEST(LoggingTest, AnObjectAddsItsFields) {
  const auto fields = Format(R"({"message":"call","ms":1.5})");
  EXPECT_EQ(fields["message"], "call");
  EXPECT_EQ(fields["ms"], 1.5);
  EXPECT_EQ(fields["level"], "warning");
}

}  // namespace
}  // namespace mgral::server
