#include "server/base/text.h"

#include <gtest/gtest.h>

namespace mgral::base {
namespace {

TEST(Utf8LengthTest, DecodesOneCharacter) {
  const auto decode = [](absl::string_view text) {
    uint32_t code_point = 0;
    const size_t length = Utf8Length(text, &code_point);
    return std::make_pair(length, length == 0 ? 0 : code_point);
  };
  EXPECT_EQ(decode("ab"), std::make_pair(size_t{1}, uint32_t{'a'}));
  EXPECT_EQ(decode("\xc3\xa4x"), std::make_pair(size_t{2}, uint32_t{0xE4}));
  EXPECT_EQ(decode("\xe2\x82\xac"), std::make_pair(size_t{3}, uint32_t{0x20AC}));
  EXPECT_EQ(decode("\xf0\x9f\x90\x88"), std::make_pair(size_t{4}, uint32_t{0x1F408}));
  EXPECT_EQ(decode("\xc3"), std::make_pair(size_t{0}, uint32_t{0}));
}

TEST(IsUtf8Test, RefusesWhatIsNoUnicodeText) {
  for (const std::string& good : {std::string(), std::string("a\0b", 3),
                                  std::string("gr\xc3\xbc\xc3\x9f"), std::string("\xed\x95\x9c"),
                                  std::string("\xf0\x9f\x90\x88"), std::string("\xee\x80\x80")}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  const std::pair<const char*, const char*> bad[] = {{"\xff", "never UTF-8"},
                                                     {"\x80", "continuation alone"},
                                                     {"a\xc3", "cut"},
                                                     {"\xe2\x82", "cut"},
                                                     {"\xc3(", "no continuation"},
                                                     {"\xc0\xaf", "overlong"},
                                                     {"\xe0\x80\xaf", "overlong"},
                                                     {"\xf0\x80\x80\x80", "overlong"},
                                                     {"\xed\xa0\x80", "surrogate"},
                                                     {"\xf4\x90\x80\x80", "beyond Unicode"},
                                                     {"\xf5\x80\x80\x80", "no lead byte"}};
  for (const auto& [text, why] : bad) EXPECT_FALSE(IsUtf8(text)) << why;
}

TEST(QuotedTest, CutsAndEscapes) {
  EXPECT_EQ(Quoted("cat"), "\"cat\"");
  EXPECT_EQ(Quoted("a\x1e"), "\"a\\x1e\"");  // which would break our payloads
  EXPECT_LT(Quoted(std::string(1000, 'x')).size(), 80u);
}

}  // namespace
}  // namespace mgral::base
