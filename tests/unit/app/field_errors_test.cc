#include "server/app/field_errors.h"

#include <gtest/gtest.h>

namespace mgral::app {
namespace {

TEST(FieldErrorsTest, KeepsTheFirstTwenty) {
  FieldErrors errors;
  EXPECT_TRUE(errors.ToStatus().ok());
  for (int i = 0; i < 100; ++i) errors.Add("field" + std::to_string(i), "is wrong");
  EXPECT_TRUE(errors.full());
  EXPECT_EQ(base::FieldViolations(errors.ToStatus()).size(), FieldErrors::kMax);
}

TEST(FieldErrorsTest, AStatusWithoutFieldsBlamesTheItem) {
  FieldErrors errors;
  errors.AddStatus("images[3].", absl::NotFoundError("no such file"));
  errors.AddStatus("images[4].", base::InvalidField("source.path", "is empty"));
  ASSERT_EQ(errors.violations().size(), 2u);
  EXPECT_EQ(errors.violations()[0].field, "images[3]");
  EXPECT_EQ(errors.violations()[0].description, "no such file");
  EXPECT_EQ(errors.violations()[1].field, "images[4].source.path");
}

TEST(TextProblemTest, TakesPrintableUtf8Only) {
  EXPECT_EQ(TextProblem("plain", 10), "");
  EXPECT_EQ(TextProblem("gr\xc3\xbc\xc3\x9f", 10), "");
  EXPECT_EQ(TextProblem("\xed\x95\x9c", 10), "");          // Hangul
  EXPECT_EQ(TextProblem("\xf0\x9f\x90\x88", 10), "");      // a cat
  EXPECT_NE(TextProblem("eleven chars", 10), "");          // too long
  EXPECT_NE(TextProblem("a\nb", 10), "");                  // control
  EXPECT_NE(TextProblem("a\x7f", 10), "");                 // DEL
  EXPECT_NE(TextProblem("\xc2\x85", 10), "");              // C1
  EXPECT_NE(TextProblem(std::string("a\0b", 3), 10), "");  // NUL
  EXPECT_NE(TextProblem("\xff", 10), "");                  // never UTF-8
  EXPECT_NE(TextProblem("\xc3", 10), "");                  // cut
  EXPECT_NE(TextProblem("\xc0\xaf", 10), "");              // overlong
  EXPECT_NE(TextProblem("\xe0\x80\xaf", 10), "");          // overlong
  EXPECT_NE(TextProblem("\xed\xa0\x80", 10), "");          // surrogate
  EXPECT_NE(TextProblem("\xf4\x90\x80\x80", 10), "");      // beyond Unicode
}

TEST(ImageIdTest, HasNoSlashAndIsNotEmpty) {
  EXPECT_EQ(ImageIdProblem("frame 0001.jpg"), "");
  EXPECT_NE(ImageIdProblem(""), "");
  EXPECT_NE(ImageIdProblem("a/b"), "");
  EXPECT_EQ(ImageIdProblem(std::string(256, 'a')), "");
  EXPECT_NE(ImageIdProblem(std::string(257, 'a')), "");
}

}  // namespace
}  // namespace mgral::app
