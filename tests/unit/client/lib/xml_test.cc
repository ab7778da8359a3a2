#include "client/cpp/lib/xml.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mgral::client {
namespace {

using testing::HasSubstr;

std::string Text(const std::string& document) {
  const auto root = ParseXml(document);
  EXPECT_TRUE(root.ok()) << root.status();
  return root.ok() ? root->text : "";
}

TEST(ParseXml, ElementsTextAndEntities) {
  const auto root = ParseXml(
      "\xEF\xBB\xBF<?xml version=\"1.0\"?><!-- hello --><!DOCTYPE annotation>\n"
      "<a x='1' y=\"<>\"> <b>one &amp; two</b><!-- > --><b/><c:d><![CDATA[<raw>]]></c:d> </a>\n");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->children.size(), 3u);
  EXPECT_EQ(root->Child("b")->text, "one & two");
  EXPECT_EQ(root->children[2].text, "<raw>");
  EXPECT_EQ(root->Child("none"), nullptr);
  EXPECT_EQ(Text("<a>&lt;&gt;&quot;&apos;&#65;&#x20AC;&#x1F600;</a>"), "<>\"'A€😀");
}

TEST(ParseXml, BrokenDocumentsAreErrorsWithALine) {
  for (const char* document : {"",
                               "text",
                               "<",
                               "<a",
                               "<a>",
                               "<a><b></a>",
                               "<a></b>",
                               "<a/><b/>",
                               "<a/>text",
                               "<a x></a>",
                               "<a x=1></a>",
                               "<a x='1></a>",
                               "<a>&nbsp;</a>",
                               "<a>&</a>",
                               "<a>&#0;</a>",
                               "<a>&#xD800;</a>",
                               "<a>&#99999999;</a>",
                               "<a><!-- </a>",
                               "<a><![CDATA[</a>",
                               "<?xml",
                               "<a></a",
                               "< a/>",
                               "<1a/>"}) {
    const auto root = ParseXml(document);
    ASSERT_FALSE(root.ok()) << document;
    EXPECT_THAT(std::string(root.status().message()), HasSubstr("line 1")) << document;
  }
}

TEST(ParseXml, EveryPrefixOfADocumentIsRefusedWithoutACrash) {
  const std::string document =
      "<?xml version='1.0'?><a b='c'><!-- d --><e>&#x41;&amp;</e><![CDATA[f]]></a>";
  for (size_t length = 0; length < document.size(); ++length) {
    EXPECT_FALSE(ParseXml(document.substr(0, length)).ok()) << length;
  }
}

TEST(ParseXml, EntityDeclarationsAreRefused) {
  const auto root =
      ParseXml("<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>");
  ASSERT_FALSE(root.ok());
  EXPECT_THAT(std::string(root.status().message()), HasSubstr("declarations"));
}

TEST(ParseXml, DepthIsBounded) {
  std::string document;
  for (int i = 0; i < 100000; ++i) document += "<a>";
  const auto root = ParseXml(document);
  ASSERT_FALSE(root.ok());
  EXPECT_THAT(std::string(root.status().message()), HasSubstr("too deep"));
}

}  // namespace
}  // namespace mgral::client
